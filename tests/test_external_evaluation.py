"""A model on another folder: what it has seen is left out, names are matched, the result is kept beside the run."""

from __future__ import annotations

import csv
import json
import re
import shlex
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support import TINY, Quiet

import lamelle
from lamelle.errors import RequestError
from lamelle.reports.external_evaluation import in_words
from lamelle.results.scores import Scores
from lamelle.runs.folder import RunFolder
from lamelle.studies.listing import find
from lamelle.studies.pruning import plan as prune_plan
from lamelle.tasks.matching import refuse_classes
from lamelle.verbs.outcomes import Evaluation

CLASSIFY = ("model.kind=cnn", "model.name=cnn1", "resize=32", "batch=4", "epochs=1", "precision=32", "threads=1",
            "workers=0", "evaluate.resamples=100")  # fmt: skip


def scored(evaluation: Evaluation) -> dict[str, Any]:
    """The scores, and where they lie."""
    return evaluation.scores.model_dump(mode="json") | {"folder": str(evaluation.folder)}


def picture(seed: int, kind: int, size: int = 96) -> np.ndarray:
    """Blobs of many sizes: no two pictures resemble each other; one kind is brighter on top."""
    from scipy.ndimage import gaussian_filter

    noise = np.random.default_rng(seed).normal(size=(size, size))
    found = np.sum([gaussian_filter(noise, s) * s for s in (1, 3, 9)], axis=0)
    found = (found - found.min()) / np.ptp(found) * 160 + np.linspace(60, 0, size)[:, None] * (2 * kind - 1)
    return np.clip(found + 40, 0, 255).astype(np.uint8)


def save(array: np.ndarray, path: Path, **options: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)


def fresh(folder: Path, names: tuple[str, ...] = ("a", "b"), n: int = 4, seed: int = 5000) -> Path:
    for kind, name in enumerate(names):
        for i in range(n):
            save(picture(seed + 100 * kind + i, kind % 2), folder / name / f"{name}_{i}.png")
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("elsewhere")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAMELLE_HOME", str(folder / "home"))
        patch.setenv("LAMELLE_LANG", "en")
        patch.chdir(folder)
        yield folder


@pytest.fixture(scope="module")
def run(home: Path) -> lamelle.Run:
    data = fresh(home / "data", n=15, seed=1000)
    return lamelle.train(data, overrides=CLASSIFY, runs=home / "runs", name="shades", progress=Quiet())


@pytest.fixture(scope="module")
def cells(home: Path) -> lamelle.Run:
    for i in range(8):
        image = picture(i, 0, 64)
        save(image, home / "cells" / "images" / f"{i}.png")
        save((image > 120).astype(np.uint8), home / "cells" / "masks" / f"{i}.png")
    options = (*TINY, "epochs=1", "evaluate.resamples=100", "data.classes=[ground, cell]")
    return lamelle.train(home / "cells", overrides=options, runs=home / "runs", name="cells", progress=Quiet())


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def notes(scores: dict) -> dict[str, dict]:
    return {note["code"]: note["values"] for note in scores["notes"]}


@pytest.fixture
def planted(run: lamelle.Run, home: Path, tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """A new folder with training images under other names, and which is which."""
    other, twins = fresh(tmp_path / "site 2"), {}
    learnt = [r["id"] for r in rows(run.folder.split) if r["split"] in ("train", "validation")][::2]
    for k, one in enumerate(learnt[:8]):
        image = Image.open(home / "data" / one)
        place = other / one.split("/")[0] / f"export_{k}{('.png', '.bmp', '.jpg', '.png')[k % 4]}"
        if k % 4 == 3:
            image = image.resize((64, 64), Image.Resampling.BOX)
        more: dict[str, Any] = {"quality": 90} if k % 4 == 2 else {}
        image.save(place, **more)
        twins[place.relative_to(other).as_posix()] = one
    return other, twins


def test_training_images_under_other_names_are_named_and_left_out(
    run: lamelle.Run, planted: tuple[Path, dict[str, str]]
) -> None:
    other, twins = planted
    before = {p: p.read_bytes() for p in (run.folder.scores, run.folder.report, run.folder.predictions_table)}
    scores = scored(run.evaluate(other))
    seen = {one["id"]: one for one in scores["elsewhere"]["seen"]}
    assert {name: one["like"] for name, one in seen.items()} == twins
    assert {one["kind"] for name, one in seen.items() if name.endswith((".bmp", "0.png", "4.png"))} == {"same"}
    assert {one["kind"] for name, one in seen.items() if name.endswith(".jpg")} == {"alike"}
    assert scores["n"] == 8
    assert {i["id"] for i in scores["items"]}.isdisjoint(twins)
    said = notes(scores)["evaluate.seen"]
    assert (said["n"], said["all"]) == (8, 16)
    assert next(iter(twins)) in said["names"]

    folder = RunFolder(Path(scores["folder"]))
    assert folder.path == run.folder.evaluations / "site 2"
    assert {p: p.read_bytes() for p in before} == before, "the run's own test is never touched"
    assert folder.altered() == run.folder.altered() == {}
    assert set(folder.states().values()) == {"whole"}
    assert not any("site 2" in name for name in run.folder.states()), "it is one by itself, which may be removed"
    assert {r["id"]: r["split"] for r in rows(folder.split)} == {
        **{i["id"]: "test" for i in scores["items"]}, **dict.fromkeys(twins, "seen")
    }  # fmt: skip
    assert len(rows(folder.predictions_table)) == 8
    page = folder.report.read_text(encoding="utf-8")
    assert "– – –" not in page
    top = page[: page.index('class="cards"')]
    assert "8 of the 16 images of this folder are training images" in top
    assert "on its own test set" in top
    assert all(name in page and one in page for name, one in twins.items())
    assert page.index('id="beside"') < page.index('id="seen"') < page.index('id="scores"')


def test_they_are_scored_when_asked_for_and_beside_each_other(
    run: lamelle.Run, planted: tuple[Path, dict[str, str]]
) -> None:
    first = scored(run.evaluate(planted[0]))
    again = scored(run.evaluate(planted[0], overrides=["evaluate.keep_seen=true"], out=planted[0].parent / "more.json"))
    assert again["n"] == 16
    assert "evaluate.seen_kept" in notes(again)
    assert first["folder"] != again["folder"], "nothing is overwritten"
    assert json.loads((planted[0].parent / "more.json").read_text())["n"] == 16
    assert again["elsewhere"]["sha256"] == first["elsewhere"]["sha256"]


def test_each_score_stands_beside_that_of_the_own_test_set(run: lamelle.Run, tmp_path: Path) -> None:
    scores = scored(run.evaluate(fresh(tmp_path / "new", n=12)))
    for name, row in scores["elsewhere"]["beside"].items():
        own, here, difference = (
            run.folder.read_json(run.folder.scores)["scores"][name],
            scores["scores"][name],
            row["difference"],
        )
        assert row["own"] == own
        if own["value"] is not None and here["value"] == here["value"]:
            assert difference["value"] == pytest.approx(here["value"] - own["value"])
    assert scores["elsewhere"]["seen"] == []
    assert not {"evaluate.seen", "evaluate.own_test", "evaluate.read_as"} & set(notes(scores)), "nothing to be said"


def words_of(scores: Mapping[str, Any]) -> str:
    return in_words(Scores.model_validate({name: one for name, one in scores.items() if name != "folder"}))


def test_the_difference_that_is_said_lies_in_its_interval(run: lamelle.Run, tmp_path: Path) -> None:
    scores = dict(scored(run.evaluate(fresh(tmp_path / "new", n=12))))
    key = scores["headline"][0]
    for value, low, high in ((-0.3, -0.5, -0.1), (-0.3, -0.5, 0.1), (0.2, 0.1, 0.4)):
        difference = {"value": value, "low": low, "high": high, "n": 9, "unit": "image"}
        row = scores["elsewhere"]["beside"][key] | {"difference": difference}
        scores["elsewhere"] = scores["elsewhere"] | {"beside": {key: row}}
        said = words_of(scores).replace("−", "-")
        found = re.search(r"difference of (\S+) \(interval (\S+) … (\S+)\)", said)
        assert found is not None, said
        assert [float(n) for n in found.groups()] == [value, low, high]


def test_a_folder_without_one_class_is_not_called_worse(run: lamelle.Run, tmp_path: Path) -> None:
    scores = scored(run.evaluate(fresh(tmp_path / "healthy", ("a",), n=20)))
    assert "healthy has no example of b, so the two cannot be compared" in words_of(scores)
    page = RunFolder(Path(scores["folder"])).report.read_text(encoding="utf-8")
    assert "not comparable: a class is missing here" in page


def test_where_all_were_seen_there_are_no_scores(run: lamelle.Run, home: Path, tmp_path: Path) -> None:
    learnt = [r["id"] for r in rows(run.folder.split) if r["split"] == "train"]
    for k, one in enumerate(learnt):
        save(np.asarray(Image.open(home / "data" / one)), tmp_path / "all" / one.split("/")[0] / f"{k}.bmp")
    kept = sorted(run.folder.evaluations.glob("all*"))
    with pytest.raises(RequestError, match=rf"all {len(learnt)} images of this folder are training images"):
        run.evaluate(tmp_path / "all")
    assert sorted(run.folder.evaluations.glob("all*")) == kept
    assert scored(run.evaluate(tmp_path / "all", overrides=["evaluate.keep_seen=true"]))["n"] == len(learnt)


def test_classes_that_differ_in_spelling_are_matched_and_it_is_said(run: lamelle.Run, tmp_path: Path) -> None:
    scores = scored(run.evaluate(fresh(tmp_path / "capitals", ("A", "b"))))
    assert scores["n"] == 8
    assert notes(scores)["evaluate.read_as"] == {"classes": "A → a"}
    assert {i["truth"] for i in scores["items"]} == {"a", "b"}
    page = RunFolder(Path(scores["folder"])).report.read_text(encoding="utf-8")
    assert "only the spelling differs" in page


def pasted(error: RequestError, key: str) -> str:
    """The key=value of a sentence, as a shell would take it."""
    found = re.search(rf"'{re.escape(key)}=[^']*'|{re.escape(key)}=\S+", str(error))
    assert found, str(error)
    return shlex.split(found[0])[0]


def test_unknown_classes_are_refused_with_a_cure_that_works(run: lamelle.Run, tmp_path: Path) -> None:
    other = fresh(tmp_path / "names", ("tumeur", "sain", "autre"))
    with pytest.raises(RequestError, match="classes that the model does not know: autre, sain, tumeur") as caught:
        run.evaluate(other)
    cure = pasted(caught.value, "data.classes")
    assert cure == "data.classes={autre: CLASS, sain: CLASS, tumeur: CLASS}", "nothing is guessed"
    with pytest.raises(RequestError, match="does not know: CLASS"):
        run.evaluate(other, overrides=[cure])
    filled = cure.replace("CLASS", "null", 1).replace("CLASS", "a", 1).replace("CLASS", "b", 1)
    scores = scored(run.evaluate(other, overrides=[filled]))
    assert scores["n"] == 8
    assert notes(scores)["layouts.class_left_out"]["count"] == 4
    mine = scored(run.evaluate(other, overrides=["data.classes={tumeur: b, sain: a, autre: a}"]))
    assert mine["n"] == 12
    assert {(c["theirs"], c["ours"], c["images"], c["how"]) for c in mine["elsewhere"]["classes"]} == {
        ("tumeur", "b", 4, "asked"), ("sain", "a", 4, "asked"), ("autre", "a", 4, "asked")
    }  # fmt: skip
    with pytest.raises(RequestError, match="does not know: c"):
        run.evaluate(other, overrides=["data.classes={tumeur: c, sain: a, autre: a}"])


@pytest.mark.parametrize("values", [(3, 1, 2), (7, 9, 9), (0, 5, 5), (0, 1, 2)])
def test_label_values_are_refused_with_a_cure_that_works(
    cells: lamelle.Run, tmp_path: Path, values: tuple[int, int, int]
) -> None:
    for i in range(3):
        image = picture(300 + i, 0, 64)
        save(image, tmp_path / "v" / "images" / f"{i}.png")
        masks = np.select([image < 100, image < 150], values[:2], values[2]).astype(np.uint8)
        save(masks, tmp_path / "v" / "masks" / f"{i}.png")
    with pytest.raises(RequestError, match=r"0 = ground, 1 = cell\. Say which value is which") as caught:
        cells.evaluate(tmp_path / "v")
    cure = pasted(caught.value, "data.labels")
    assert cure == f"data.labels={{{', '.join(f'{v}: CLASS' if v else '0: 0' for v in sorted(set(values)))}}}"
    with pytest.raises(RequestError, match=r"data\.labels"):
        cells.evaluate(tmp_path / "v", overrides=[cure])
    assert cells.evaluate(tmp_path / "v", overrides=[cure.replace("CLASS", "1")]).scores.n == 3
    with pytest.raises(RequestError, match="Say which value is which") as caught:
        cells.evaluate(tmp_path / "v", overrides=[f"data.labels={{{values[0]}: 0, {values[1]}: 4}}"])
    cure = pasted(caught.value, "data.labels")
    assert f"{values[0]}: 0" in cure
    assert f"{values[1]}: CLASS" in cure
    assert cells.evaluate(tmp_path / "v", overrides=[cure.replace("CLASS", "1")]).scores.n == 3


def test_a_guess_by_spelling_is_not_taken_as_it_stands() -> None:
    with pytest.raises(RequestError) as caught:
        refuse_classes(["adenoma", "x"], ["adenocarcinoma", "normal"], ["adenoma", "x"])
    cure = pasted(caught.value, "data.classes")
    assert cure == 'data.classes={adenoma: "adenocarcinoma?", x: CLASS}'
    with pytest.raises(RequestError, match=r"adenocarcinoma\?"):
        refuse_classes(["adenocarcinoma?"], ["adenocarcinoma", "normal"], ["adenocarcinoma?"])


def test_black_and_white_is_what_two_classes_are_whatever_their_names(cells: lamelle.Run, tmp_path: Path) -> None:
    scores = []
    for top in (1, 255):
        for i in range(3):
            image = picture(300 + i, 0, 64)
            save(image, tmp_path / str(top) / "images" / f"{i}.png")
            save((image > 120).astype(np.uint8) * top, tmp_path / str(top) / "masks" / f"{i}.png")
        scores.append(scored(cells.evaluate(tmp_path / str(top))))
    assert scores[0]["scores"]["dice"]["value"] == scores[1]["scores"]["dice"]["value"]
    page = RunFolder(Path(scores[0]["folder"])).report.read_text(encoding="utf-8")
    assert 'id="cases"' in page, "image, truth and prediction of the worst"


def test_masks_that_seem_inverted_are_said_with_a_cure_that_works(cells: lamelle.Run, tmp_path: Path) -> None:
    dice = []
    for name, turned in (("as trained", False), ("turned", True)):
        for i in range(4):
            image = picture(300 + i, 0, 64)
            save(image, tmp_path / name / "images" / f"{i}.png")
            save(
                ((image > np.quantile(image, 0.95)) != turned).astype(np.uint8) * 255,
                tmp_path / name / "masks" / f"{i}.png",
            )
        scores = scored(cells.evaluate(tmp_path / name))
        assert ("audit.mostly_foreground" in notes(scores)) is turned
        dice.append(scores["scores"]["dice"]["value"])
    cure = shlex.split(str(notes(scores)["audit.mostly_foreground"]["turned"]))[0]
    assert cells.evaluate(tmp_path / "turned", overrides=[cure]).scores["dice"].value == dice[0] != dice[1]


def test_a_package_by_itself_knows_no_images_and_says_so(
    run: lamelle.Run, planted: tuple[Path, dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(run.folder.model, tmp_path / "shared")
    monkeypatch.chdir(tmp_path)
    scores = scored(lamelle.evaluate(tmp_path / "shared", planted[0]))
    assert "evaluate.package_alone" in notes(scores)
    assert scores["n"] == 16
    assert Path(scores["folder"]) == Path("evaluations/site 2")
    assert sorted(p.name for p in (tmp_path / "shared").iterdir()) == ["model.json", "model.safetensors"]
    inside = scored(lamelle.evaluate(run.folder.model, planted[0]))
    assert Path(inside["folder"]).parent == run.folder.evaluations, "the model of a run is that run"
    assert inside["n"] == 8


def test_a_run_of_before_there_were_signatures_knows_pixels(
    run: lamelle.Run, planted: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    shutil.copytree(run.path, tmp_path / "old")
    (tmp_path / "old" / "signatures.npz").unlink()
    scores = scored(lamelle.evaluate(tmp_path / "old", planted[0]))
    assert "evaluate.only_hashes" in notes(scores)
    assert notes(scores)["evaluate.seen"]["n"] == 4, "PNG and BMP, not JPEG and resized"


def test_what_fails_leaves_nothing_half_done(run: lamelle.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lamelle.reports import page

    def broken(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(page, "write_report", broken)
    with pytest.raises(OSError, match="disk full"):
        run.evaluate(fresh(tmp_path / "half"))
    assert not (run.folder.evaluations / "half").exists()


def test_evaluations_are_part_of_their_run_for_lists_and_pruning(run: lamelle.Run, tmp_path: Path) -> None:
    run.evaluate(fresh(tmp_path / "predictions"))  # a folder named as one of the run's own
    listed = find(run.path.parent, score=None)
    assert not any("evaluations" in one.name for one in listed)
    mine = [one for one in listed if one.path == run.path.resolve()]
    assert prune_plan(mine, "runs", keep=0, among=listed).staying == ()
    assert run.report().path == run.folder.report


@pytest.mark.parametrize(
    ("column", "pairs", "code", "unit"),
    [
        ("patient", (), "evaluate.groups_taken", "group"),
        ("Nachname", (), "evaluate.groups_maybe", "image"),
        ("Nachname", ("data.group=Nachname",), "evaluate.groups_taken", "group"),
    ],
)
def test_what_is_counted_as_a_group_is_said(
    run: lamelle.Run, home: Path, column: str, pairs: tuple[str, ...], code: str, unit: str
) -> None:
    folder = home / f"grouped {column} {len(pairs)}"
    fresh(folder, n=12, seed=7000)
    names = ["Maier", "Huber", "Weber", "Vogel", "Keller", "Frank", "Otto", "Lang"]
    lines = [f"{kind}/{kind}_{i}.png,{names[i // 3 + 4 * k]}" for k, kind in enumerate("ab") for i in range(12)]
    (folder / "people.csv").write_text("\n".join([f"image,{column}", *lines]), encoding="utf-8")
    scores = scored(lamelle.evaluate(run.path, folder, overrides=pairs))
    said = notes(scores)
    assert (said[code]["n"], said[code]["key"]) == (8, f"data.group={column}")
    assert [c for c in said if c.startswith("evaluate.groups")] == [code]
    assert {s["unit"] for name, s in scores["scores"].items() if name == "accuracy"} == {unit}
    page = RunFolder(Path(scores["folder"])).report.read_text(encoding="utf-8")
    assert f"data.group={column}" in page
