"""Fixtures that every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

DEFAULT_REAL_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real, labelled data sets; not part of the project, since some may not be redistributed."""
    folder = Path(os.environ.get("LAMELLE_REAL_DATA", DEFAULT_REAL_DATA))
    if not folder.is_dir():
        pytest.skip("no real data here: set LAMELLE_REAL_DATA to the folder that holds isbi2012, dsb2018, …")
    return folder


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or fills the user's own cache, and sentences are English whatever the locale."""
    monkeypatch.setenv("LAMELLE_HOME", str(tmp_path_factory.getbasetemp() / "home"))
    monkeypatch.setenv("LAMELLE_LANG", "en")
