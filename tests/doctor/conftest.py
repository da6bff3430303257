"""The runs of `made_runs`, each test in a folder of its own."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from made_runs import Maker, make


@pytest.fixture
def made(tmp_path: Path) -> Maker:
    """Makes a Run with given curves."""
    return partial(make, tmp_path)
