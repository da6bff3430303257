"""What is made of a Run as soon as it is scored."""

from __future__ import annotations

from lamelle.doctor.diagnosis import summary
from lamelle.reports.page import page
from lamelle.runs.bundle import open_bundle
from lamelle.runs.folder import RunFolder


def finish(run: RunFolder) -> list[str]:
    """Write the page of a Run, or of the folds of a Run.

    Returns:
        What the doctor says of it, in two lines at most.
    """
    bundle = open_bundle(run)
    run.write_text(run.report, page(bundle))
    return summary(bundle)
