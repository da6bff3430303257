"""Files of other programs beside images: neither images nor masks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from layout_reading import read_index
from PIL import Image

from lamelle.data.layouts.unlabelled import read_unlabelled
from lamelle.types import Index


def _put(root: Path, names: Sequence[str]) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((6, 8), np.uint8)).save(root / name)
    return root


def _names(index: Index) -> list[tuple[str, list[str]]]:
    return [(r.id, [t.path.name for t in (r.labels.sources if r.labels else ())]) for r in index.records]


@pytest.mark.parametrize(
    ("mask", "products", "program"),
    [
        ("{}_cp_masks.png", ["{}_flows.tif", "{}_outlines.png", "{}_cp_outlines.png"], "Cellpose"),
        ("{}_Simple Segmentation.png", ["{}_Probabilities.tif", "{}_Uncertainty.tif"], "ilastik"),
        ("{}-labeling.tif", ["{}_overlay.png", "{}_depth.png", "{}_distance.tif"], "–"),
        ("{} Labels.tif", ["{}_prob.tif"], "StarDist"),
    ],
)
def test_masks_are_read_and_the_rest_is_passed_over(
    tmp_path: Path, mask: str, products: list[str], program: str
) -> None:
    stems = ["im1", "im2", "scan_flows"]
    root = _put(tmp_path, [p.format(s) for s in stems for p in ("{}.tif", mask, *products)])
    index = read_index(root)
    assert _names(index) == [(f"{s}.tif", [mask.format(s)]) for s in stems]
    (said,) = [p for p in index.problems if p.severity != "note" or p.code == "layouts.products"]
    assert (said.values["count"], said.values["program"]) == (3 * len(products), program)
    found = read_unlabelled([root], dims=2)
    assert [r.id for r in found.records] == [f"{s}.tif" for s in stems]


def test_results_of_the_cell_tracking_challenge_are_no_images(tmp_path: Path) -> None:
    folders = dict.fromkeys(("01", "02"), "t{}.tif") | dict.fromkeys(("01_RES", "01_ERR_SEG", "02_RES"), "mask{}.tif")
    folders |= dict.fromkeys(("01_GT/SEG", "01_ST/SEG", "02_GT/SEG"), "man_seg{}.tif") | {
        "01_GT/TRA": "man_track{}.tif"
    }
    root = _put(tmp_path, [f"{f}/{name.format(t)}" for f, name in folders.items() for t in ("000", "001", "002")])
    index = read_index(root)
    assert [i for i, _ in _names(index)] == [f"{s}/t00{t}.tif" for s in ("01", "02") for t in range(3)]
    assert {t.path.parent.parent.name for r in index.records for t in (r.labels.sources if r.labels else ())} == {
        "01_GT", "02_GT"
    }  # fmt: skip
    assert [p.values["count"] for p in index.problems if p.code == "layouts.products"] == [9]
    assert [p for p in index.problems if p.code == "layouts.not_used"] == []
    found = read_unlabelled([root], dims=2)
    assert {r.id.split("/")[0] for r in found.records} == {"01", "02"}


def test_images_of_such_names_are_images_where_nothing_bears_the_rest(tmp_path: Path) -> None:
    root = _put(tmp_path, [f"{c}/{n}_output.png" for c in ("Overlay", "normal") for n in "abc"])
    index = read_index(root)
    assert index.classes == ("Overlay", "normal")
    assert len(index.records) == 6
    assert [p for p in index.problems if p.code == "layouts.products"] == []


def test_a_refusal_says_what_was_passed_over(tmp_path: Path) -> None:
    root = _put(tmp_path, [p.format(s) for s in "ab" for p in ("{}.tif", "{}_flows.tif")])
    with pytest.raises(Exception, match=r"2 file\(s\) that a program wrote .* \(a_flows.tif, b_flows.tif; Cellpose\)"):
        read_index(root)
