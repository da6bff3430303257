"""The page about a Run, or about its model on another folder: its sections, of what the folder holds."""

from __future__ import annotations

from pathlib import Path

from lamelle.messages import text
from lamelle.reports import html
from lamelle.reports.methods import network
from lamelle.reports.sections import SECTIONS, drawn
from lamelle.runs.bundle import RunBundle, open_bundle
from lamelle.runs.folder import RunFolder
from lamelle.runs.recipe import Recipe


def write_report(run: RunFolder, recipe: Recipe | None = None) -> Path:
    """Write ``report.html`` of a Run, of its folds, of a Run that was interrupted, or of its model on another folder.

    Args:
        run: Where it lies; what it does not hold (yet) is left out of the page. No file outside of it is opened.
        recipe: Of an evaluation on another folder, which has no file of it.

    Returns:
        Path of the page.

    Raises:
        FileError: If the page cannot be written.
    """
    run.write_text(run.report, page(open_bundle(run, recipe=recipe)))
    return run.report


def page(bundle: RunBundle) -> str:
    """The page as text; the same for the same folder."""
    task, created = bundle.recipe.task.name, bundle.environment.created[:10]
    if (other := bundle.elsewhere) is not None:
        names = {"name": Path(other.model).resolve().name, "data": Path(other.data).name}
        tags, kind, heading = (
            [task, created],
            "elsewhere_",
            text("report.elsewhere_heading", **names),
        )
    else:
        names = {"name": bundle.name}
        tags, kind, heading = [task, network(bundle.recipe), created], "", bundle.name
    return html.render(
        html.DrawnPage(
            title=text(f"report.{kind}title", **names),
            kicker=text(f"report.{kind}kicker"),
            heading=heading,
            tags=[tag for tag in tags if tag],
            sections=drawn(SECTIONS, bundle),
        )
    )
