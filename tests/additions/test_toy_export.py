"""An export target is added by one row with its function, and then the command, its errors and its page know it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from additions.toy_runs import trained
from click.testing import CliRunner
from reference.pages import exports

from lamelle import verbs
from lamelle.cli.main import lamelle
from lamelle.errors import RequestError
from lamelle.runs.folder import RunFolder
from lamelle.studies.exporting import EXPORT_TARGETS, ExportTarget
from lamelle.studies.listing import RunSummary


def write(run: RunSummary, store: str | None) -> str:
    """The scores as lines of a notebook."""
    place = Path(store or "notebook.txt")
    scores = RunFolder(run.path).read_scores()
    lines = [f"{run.name} {name} {score.value:.3f}" for name, score in scores.scores.items()]
    place.write_text("\n".join(lines), encoding="utf-8")
    return str(place)


NOTEBOOK = ExportTarget("notebook", "A line for each score.", "A file, by default `notebook.txt`.", write)


@pytest.fixture(autouse=True)
def added() -> Iterator[None]:
    with EXPORT_TARGETS.added(NOTEBOOK):
        yield


def test_a_finished_run_is_written_there(tmp_path: Path) -> None:
    with trained(tmp_path) as (run, _):
        done = verbs.export_run(run.path, to="notebook", store=str(tmp_path / "notes.txt"))
        assert done.places == ((run.path, str(tmp_path / "notes.txt")),)
        accuracy = run.read_scores()["accuracy"].value
        assert f"toy accuracy {accuracy:.3f}" in (tmp_path / "notes.txt").read_text(encoding="utf-8")
        assert "notes.txt" in str(done)
        run.scores.unlink()
        with pytest.raises(RequestError):
            verbs.export_run(run.path, to="notebook")


def test_it_stands_in_the_help_in_the_error_and_on_the_page(tmp_path: Path) -> None:
    assert "notebook" in CliRunner().invoke(lamelle, ["runs", "--help"]).output
    with pytest.raises(RequestError, match="did you mean notebook"):
        verbs.export_run(tmp_path, to="notebok")
    assert "| `notebook` | A line for each score. |" in exports()


def test_when_it_is_gone_it_is_unknown(tmp_path: Path) -> None:
    rows = dict(EXPORT_TARGETS)
    assert rows["notebook"] is NOTEBOOK
    with pytest.raises(ValueError, match="two rows"), EXPORT_TARGETS.added(NOTEBOOK):
        pass
