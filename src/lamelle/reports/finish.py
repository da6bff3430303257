"""What is made of a Run as soon as it is scored."""

from __future__ import annotations

from lamelle.doctor.diagnosis import summary
from lamelle.reports.page import write_report
from lamelle.runs.folder import RunFolder


def finish(run: RunFolder) -> list[str]:
    """Write the page of a Run, or of the folds of a Run.

    Returns:
        What the doctor says of it, in two lines at most.
    """
    write_report(run)
    return summary(run)
