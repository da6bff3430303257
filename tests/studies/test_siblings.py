"""A run of a study is measured against its like with a frozen encoder, whichever of the two was trained first."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from made_runs import make, scored
from support import Quiet

from lamelle.results.scores import Item
from lamelle.studies import compare
from lamelle.studies.folder import StudyFolder
from lamelle.studies.variants import Variant


def test_a_frozen_like_that_was_trained_later_is_known_in_the_end(tmp_path: Path) -> None:
    variants = [Variant(freeze, {"model": {"freeze": freeze}}) for freeze in ("none", "head")]
    for variant, right in zip(variants, (25, 45), strict=True):
        items = [Item(id=f"t{i}", correct=i < right) for i in range(50)]
        model = {"kind": "timm", "name": "resnet18", "freeze": variant.name}
        run = make(tmp_path, name=f"{variant.folder}/seed0", score=[0.5], model=model, scores=scored(0.5, items=items))
        for path in (run.item_stats, run.report):
            run.write_text(path, "")
    nothing = cast("Any", None)
    compare.run_all(StudyFolder(tmp_path), tmp_path, {}, variants, 1, nothing, Quiet(), jobs=1)
    runs = [StudyFolder(tmp_path).run(variant, 0) for variant in variants]
    earlier = runs[0].read_baseline().earlier
    assert earlier is not None
    assert (earlier.run, earlier.theirs, earlier.ours) == (str(runs[1].path), 0.9, 0.5)
    assert runs[1].read_baseline().earlier is None
