"""Training, evaluation and report take a tenth of the memory that the data would fill; loading it all does not."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from slow import large

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc"),
]

CAP = 1_400_000_000
"""Bytes; the imports take a third of it, one plane with its labels, probabilities and distances another."""
PLANES = -(-10 * CAP // (2 * large.SIDE**2))
DISK = 25 * CAP
"""Bytes: the files, what the store decodes of them, and room."""
KEYS = (
    f"split.blocks={{train: 0-{PLANES - 8}, validation: {PLANES - 6}-{PLANES - 4}, test: {PLANES - 2}-{PLANES - 1}}}",
    *("filters=[8,16]", "patch=128", "samples=64", "batch=2", "epochs=2", "validate_every=2"),
    *("threads=1", "workers=1", "precision=32", "evaluate.tile=256", "evaluate.overlap=0.1"),
)


@pytest.fixture(params=["volume", "labels"])
def data(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A data set ten times the cap, one half of it compressed and the other raw; removed again at once."""
    if shutil.disk_usage(tmp_path).free < DISK:
        pytest.skip(f"needs {DISK / 1e9:.0f} GB of disk")
    try:
        assert large.make(tmp_path / "data", planes=PLANES, compressed=request.param) >= 10 * CAP
        yield tmp_path / "data"
    finally:
        shutil.rmtree(tmp_path / "data", ignore_errors=True)
        shutil.rmtree(tmp_path / "home" / "store", ignore_errors=True)


def test_ten_times_the_memory(data: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    found = large.watch(data, home, *KEYS, everything=False, limit=None)
    size = 2 * PLANES * large.SIDE**2
    print(f"\n{found.table()}\n{found.seconds:.0f} s, cap {CAP / 1e6:.0f} MB, data {size / 1e6:.0f} MB")
    assert found.code == 0, (home / "output.log").read_text()
    phases = ["import", "audit", "pictures", "begin", "train", "validate", "threshold", "evaluate", "cases", "report"]
    assert list(found.peaks) == phases
    assert found.peak < CAP
    # the control, over what has been decoded already
    control = large.watch(data, home, *KEYS, everything=True, limit=CAP)
    print(f"everything in memory: stopped at {control.peak / 1e6:.0f} MB after {control.seconds:.0f} s")
    assert control.code is None
    assert control.peak > CAP
