"""What holds for every row of the table of export targets."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from lamelle import verbs
from lamelle.cli.main import lamelle
from lamelle.errors import RequestError
from lamelle.studies.exporting import EXPORT_TARGETS, ExportTarget

ROOT = Path(__file__).resolve().parents[2]
rows = pytest.mark.parametrize("row", EXPORT_TARGETS.values(), ids=EXPORT_TARGETS)


@rows
def test_a_row_says_what_it_writes_and_where_and_the_command_offers_it(row: ExportTarget) -> None:
    assert row.about.endswith(".")
    assert "default" in row.store
    assert row.name in CliRunner().invoke(lamelle, ["runs", "--help"]).output


@rows
def test_its_extra_is_one_of_the_package(row: ExportTarget) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert not row.extra or row.extra in extras


def test_a_tool_that_is_none_is_refused_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="did you mean mlflow"):
        verbs.export_run(tmp_path, to="mlfow")
