"""Contract over one name of every family of timm: trained, saved and scored, or refused before the first step."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import families
import pytest
import timm

from lamelle.models.families import TORCHVISION

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("kind", ["timm", "timm-unet"])
def test_every_family_is_trained_or_refused_before_the_first_step(kind: str, tmp_path: Path) -> None:
    data = families.folders(tmp_path / "data", kind)
    found = {}
    names = {family: families.smallest(family) for family in timm.list_modules()} | {n: n for n in TORCHVISION}
    for family, name in names.items():
        found[family, name] = outcome = families.attempt(name, kind, data, tmp_path / "runs")
        print(f"{kind:9} {family:24} {name:40} {outcome.state:8} {outcome.about}")
    counts = Counter(outcome.state for outcome in found.values())
    print(kind, dict(counts))
    assert not [(names, outcome.about) for names, outcome in found.items() if outcome.state == "crashed"]
    assert counts["trained"] > counts["refused"] / 2, "most have something to train"
