"""The page about a Run: complete, self-contained, escaped, in two languages, and robust to what a Run lacks."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from html import escape
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import yaml

from lamelle.data.store import Store
from lamelle.prediction.files import PredictionFolder
from lamelle.prediction.output_places import planes_of
from lamelle.prediction.package import load
from lamelle.reports.page import write_report
from lamelle.results import history
from lamelle.runs.bundle import parameters
from lamelle.runs.folder import RunFolder
from lamelle.runs.saved_plan import open_plan
from lamelle.runs.scored_images import ScoredImages
from lamelle.runs.scored_pictures import save_scored_pictures
from lamelle.types import Grid, LabelMap

NASTY = "<script>alert(1)&amp;.png"
VOID = {"meta", "img", "br", "line", "path", "use", "rect", "input"}


class Outline(HTMLParser):
    """Tags, ids and attributes of a page; complains about tags that are not closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append((tag, found))
        self.ids += [str(found["id"])] if "id" in found else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [found for name, found in self.tags if name == tag]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store", budget=1 << 30)


@pytest.fixture
def copied(segment_run: RunFolder, tmp_path: Path) -> RunFolder:
    """A run that a test may change."""
    shutil.copytree(segment_run.path, tmp_path / "run")
    return RunFolder(tmp_path / "run")


def sections(page: str) -> list[str]:
    return re.findall(r'<section[^>]* id="(\w+)"', page)


def change(run: RunFolder, section: str, **keys: object) -> None:
    recipe = yaml.safe_load(run.recipe.read_text())
    recipe[section] |= keys
    run.write_text(run.recipe, yaml.safe_dump(recipe))


def test_a_segmentation_has_all_its_sections(segment_run: RunFolder) -> None:
    page = segment_run.report.read_text()
    wanted = ["summary", "data", "split", "scores", "confusion", "curves", "calibration", "remarks", "cases", "slices"]
    assert [s for s in sections(page) if s != "warnings"] == [*wanted, "doctor", "training", "repeat"]
    assert page.count("Right and wrong") >= 2
    assert "false negative" in page
    assert "Slices of train-volume.tif, coloured by split" in page


def test_a_classification_has_all_its_sections(classify_run: RunFolder) -> None:
    page = classify_run.report.read_text()
    wanted = ["summary", "data", "split", "scores", "confusion", "curves", "calibration", "errors"]
    assert [s for s in sections(page) if s != "warnings"] == [*wanted, "doctor", "training", "repeat"]
    assert "ROC curve" in page
    wrong = [i for i in json.loads(classify_run.scores.read_text())["items"] if not i["correct"]]
    assert wrong
    assert all(f"{i['truth']}, predicted {i['predicted']} (" in page for i in wrong[:12])


def test_scores_stand_on_top_with_n_unit_interval_and_what_must_be_known(segment_run: RunFolder) -> None:
    page, scores = segment_run.report.read_text(), json.loads(segment_run.scores.read_text())
    top = page[page.index('id="summary"') : page.index('id="scores"')]
    assert top.index("n = 1: all images scored are slices of one volume") < top.index('class="cards"')
    dice = scores["scores"]["dice"]
    assert f"{dice['value']:.3f}" in top
    assert f"95 % interval {dice['low']:.3f} – {dice['high']:.3f}" in top
    assert "n = 16 blocks" in top
    assert "not for diagnosis" in top
    assert "is one of many possible ones" in top
    assert f"--recipe {segment_run.recipe} split.folds=5" in top, "the same network and keys, in folds"


def test_every_score_is_on_the_page_and_explained(segment_run: RunFolder, classify_run: RunFolder) -> None:
    for run in (segment_run, classify_run):
        page, scores = run.report.read_text(), json.loads(run.scores.read_text())["scores"]
        for key, found in scores.items():
            digits = 1 if key.partition("/")[0] == "hd95" else 3
            assert found["value"] is None or f"{found['value']:.{digits}f}" in page, key
        assert page.count("<dd>") >= len({k.partition("/")[0] for k in scores})


@pytest.mark.parametrize("kind", ["segment_run", "classify_run"])
def test_a_page_needs_nothing_but_itself(kind: str, request: pytest.FixtureRequest) -> None:
    page = request.getfixturevalue(kind).report.read_text()
    outline = Outline(page)
    assert "http" not in page.replace("http-equiv", "")
    assert not {"script", "link", "iframe", "object", "form", "base"} & {tag for tag, _ in outline.tags}
    for _, found in outline.tags:
        for name in ("src", "href"):
            assert str(found.get(name, "#")).startswith(("#", "data:image/")), found
        assert not any(name.startswith("on") for name in found)
    assert set(re.findall(r"url\(.", page)) <= {"url(#"}
    policy = next(m for m in outline.named("meta") if m.get("http-equiv") == "Content-Security-Policy")
    assert str(policy["content"]).startswith("default-src 'none'; img-src data:;")
    assert len(page) < 6_000_000


@pytest.mark.parametrize("kind", ["segment_run", "classify_run"])
def test_a_page_can_be_read_by_everyone(kind: str, request: pytest.FixtureRequest) -> None:
    page = request.getfixturevalue(kind).report.read_text()
    outline = Outline(page)
    assert outline.named("html")[0]["lang"] == "en"
    assert outline.named("img")
    assert all(image.get("alt") for image in outline.named("img"))
    assert [i for i, n in Counter(outline.ids).items() if n > 1] == []
    links = {str(a["href"])[1:] for a in outline.named("a")} | set(re.findall(r"url\(#([^)]+)\)", page))
    assert links - set(outline.ids) == set()
    assert all(th.get("scope") in {"row", "col"} for th in outline.named("th"))
    assert all(d.get("aria-label") for d in outline.named("div") if d.get("role") == "img")
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page


def test_names_of_files_are_escaped(classify_run: RunFolder) -> None:
    page = classify_run.report.read_text()
    assert "<script" not in page
    assert escape(NASTY) in page


def test_the_page_is_the_same_each_time(copied: RunFolder, store: Store) -> None:
    once = write_report(copied).read_bytes()
    assert write_report(copied).read_bytes() == once
    assert copied.states()["report.html"] == "whole"


def test_a_french_page_is_french(
    classify_run: RunFolder, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAMELLE_LANG", "fr")
    shutil.copytree(classify_run.path, tmp_path / "run")
    page = write_report(RunFolder(tmp_path / "run")).read_text()
    assert Outline(page).named("html")[0]["lang"] == "fr"
    assert "Matrice de confusion" in page
    assert "L&#39;indépendance n&#39;est pas vérifiée" in page
    assert not re.search(r"Training|Confusion matrix|interval |images were", page[page.index("<header") :])
    assert re.search(r'class="value">0,\d{3}<', page)
    assert re.search(r">0,\d+</text>", page)


def lacks(run: RunFolder, *paths: Path) -> None:
    """Make it a run that has not written these yet."""
    for path in paths:
        run.forget(path)
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def test_an_interrupted_run_says_how_to_go_on(copied: RunFolder, store: Store) -> None:
    lacks(copied, copied.model, copied.predictions, copied.scores)
    page = write_report(copied).read_text()
    assert f"lamelle train --resume {copied.path}" in page
    assert sections(page) == ["summary", "data", "split", "doctor", "training", "repeat"]


def test_a_run_that_has_just_begun_has_a_page(copied: RunFolder, store: Store) -> None:
    held = (copied.model, copied.predictions, copied.scores, copied.history, copied.audit, copied.environment)
    lacks(copied, *held, copied.split, copied.plan)
    assert sections(write_report(copied).read_text()) == ["summary", "repeat"]


def test_folds_show_the_pictures_of_each_fold(copied: RunFolder, store: Store) -> None:
    scores = json.loads(copied.scores.read_text()) | {"split": "folds"}
    copied.write_text(copied.scores, json.dumps(scores))
    change(copied, "split", folds=3)
    (copied.path / "fold0").mkdir()
    shutil.copytree(copied.predictions, copied.path / "fold0" / copied.predictions.name)
    lacks(copied, copied.predictions, copied.model, copied.history)
    save_scored_pictures(copied, open_plan(copied), copied.read_scores().items, store)
    page = write_report(copied).read_text()
    assert "Cross-validation over 3 folds" in page
    assert "is one of many possible ones" not in page
    assert "cases" in sections(page)
    assert "remarks" in sections(page)
    assert "training" not in sections(page)


def test_a_page_opens_no_file_outside_of_the_run(segment_run: RunFolder, classify_run: RunFolder) -> None:
    """Neither images nor labels: the page is complete with the data gone."""
    for run in (segment_run, classify_run):
        code = (
            "import sys\nfrom pathlib import Path\nfrom lamelle.reports.page import write_report\n"
            "from lamelle.runs.folder import RunFolder\n"
            "run = RunFolder(Path(sys.argv[1]))\nopened = []\n"
            "sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == 'open' else None)\n"
            "write_report(run)\nprint(*opened, sep='\\n')\n"
        )
        before = run.report.read_bytes()
        done = subprocess.run([sys.executable, "-c", code, str(run.path)], capture_output=True, text=True, check=True)
        data = str(Path(str(run.read_recipe()["data"]["path"])).resolve())
        opened = done.stdout.splitlines()
        assert any(name.startswith(str(run.path)) for name in opened), "the hook hears of what is opened"
        assert [name for name in opened if name.startswith(data)] == []
        assert run.report.read_bytes() == before, "the same page, byte for byte"
        assert "<img" in before.decode()


def test_allowed_leakage_stands_on_top(copied: RunFolder) -> None:
    plan = json.loads(copied.plan.read_text())
    for record in plan["records"]:
        record["group"] = "mouse <7>"
    copied.write_text(copied.plan, json.dumps(plan))
    change(copied, "data", allow_leakage=True)
    page = write_report(copied).read_text()
    assert "Leakage was allowed" in page[: page.index('class="cards"')]
    assert "The group mouse &lt;7&gt; is in several splits" in page


def test_curves_of_every_score_stand_under_those_of_the_training(
    copied: RunFolder, classify_run: RunFolder, store: Store
) -> None:
    page = write_report(copied).read_text(encoding="utf-8")
    training = page[page.index('id="training"') : page.index('id="repeat"')]
    assert {">IoU<", ">Recall<", ">Precision<", ">Accuracy<"} <= set(re.findall(r">[A-Za-z]+<", training))
    assert "Scores of each class" not in training, "of two classes the foreground is all that is scored"
    assert "Scores of each class" in classify_run.report.read_text(encoding="utf-8")
    few = [
        one.model_copy(update={"train": {"dice": one.train["dice"]}, "validation": {"dice": one.validation["dice"]}})
        for one in copied.read_history()
    ]
    copied.write_text(copied.history, history.to_csv(few))
    page = write_report(copied).read_text(encoding="utf-8")
    training = page[page.index('id="training"') : page.index('id="repeat"')]
    assert ">IoU</text>" not in training
    assert ">Dice</text>" in training, "the score that tells the best epoch is drawn by itself"


def test_the_table_by_class_ends_with_the_averages(classify_run: RunFolder) -> None:
    page = classify_run.report.read_text(encoding="utf-8")
    assert page.count('class="average"') == 2
    lines = classify_run.classes.read_text(encoding="utf-8").splitlines()
    assert [line.split(",")[0] for line in lines[-2:]] == ["macro", "weighted"]


def test_the_network_is_counted_from_its_file(segment_run: RunFolder) -> None:
    model = load(segment_run.path).model
    learnt = sum(p.numel() for p in model.parameters())
    kept = sum(t.numel() for name, t in model.state_dict().items() if name.endswith(("running_mean", "running_var")))
    assert kept > 0
    assert (parameters(segment_run), parameters(segment_run, statistics=True)) == (learnt, learnt + kept)
    about = segment_run.read_json(segment_run.model / "model.json")["provenance"]
    assert (about["trainable"], about["parameters_with_statistics"]) == (learnt, learnt + kept)
    assert f"{learnt:,} in all, {learnt + kept:,} with the statistics" in segment_run.log.read_text(encoding="utf-8")


def test_each_slice_gets_its_own_prediction_back(copied: RunFolder, store: Store) -> None:
    plan = open_plan(copied)
    records = plan.of("test") + plan.of("validation")
    shutil.rmtree(copied.predictions)
    folder = PredictionFolder(
        copied.predictions,
        ["a"] * 99,
        planes=planes_of(records),
    )
    for record in records:
        labels = np.full((4, 4), record.image.index, np.int64)
        folder.add(record, np.zeros((1, 4, 4), np.uint8), LabelMap(labels), Grid(record.image.path, "npy"))
    folder.close()
    copied.forget(copied.predictions)
    images = ScoredImages(copied, plan, store)
    for record in records:
        found = images._labels(record)
        assert found is not None
        assert found.tolist() == [[record.image.index] * 4] * 4


def test_a_prediction_outside_of_the_run_is_not_read(copied: RunFolder, store: Store) -> None:
    table = copied.predictions / "predictions.csv"
    table.write_text(table.read_text().replace("labels/", "../../labels/"))
    copied.seal(table)
    plan = open_plan(copied)
    assert ScoredImages(copied, plan, store)._labels(plan.of("test")[0]) is None


def test_near_copies_between_the_splits_are_warned_of(copied: RunFolder, store: Store) -> None:
    assert 'id="warnings"' not in write_report(copied).read_text()
    rows = {r["split"]: r["id"] for r in csv.DictReader(copied.split.open())}
    audit = json.loads(copied.audit.read_text())
    pair = {"first": rows["train"], "second": rows["test"], "kind": "near", "correlation": 0.99, "turned": ""}
    copied.write_text(copied.audit, json.dumps(audit | {"pairs": [pair]}))
    page = write_report(copied).read_text()
    assert "audit.near_in_splits" in page[page.index('id="warnings"') :]
    assert "1 warning(s) about the data" in page
    assert "Leakage was allowed" not in page


def test_fewer_than_five_units_have_no_interval(copied: RunFolder, store: Store) -> None:
    scores = json.loads(copied.scores.read_text())
    for found in scores["scores"].values():
        found |= {"n": 4, "low": None, "high": None, "reason": "few", "of": ""}
    copied.write_text(copied.scores, json.dumps(scores))
    page = write_report(copied).read_text()
    assert "lack an interval or a value. No interval: 4" in page
    assert "5 are needed" in page
    assert "95 % interval –" in page
    assert not re.search(r"\d – \d", page[page.index('id="scores"') : page.index('id="confusion"')])


def test_the_surest_errors_come_first_by_what_was_said(classify_run: RunFolder, store: Store, tmp_path: Path) -> None:
    shutil.copytree(classify_run.path, tmp_path / "run")
    run = RunFolder(tmp_path / "run")
    scores = json.loads(run.scores.read_text())
    order = [("b", 0.501), ("d", 0.97), ("a", 0.503), ("c", 0.62)]  # 50.1 and 50.3 % are both shown as 50 %
    for item, (name, confidence) in zip(scores["items"], order, strict=False):
        item |= {"correct": False, "predicted": name, "confidence": confidence}
    scores["items"] = scores["items"][: len(order)]
    run.write_text(run.scores, json.dumps(scores))
    save_scored_pictures(run, open_plan(run), run.read_scores().items, store)
    page = write_report(run).read_text()
    errors = page[page.index('id="errors"') : page.index('id="training"')]
    shown = re.findall(r"<span class=\"detail bad\">[^<]*, predicted (\w) \((\d+) %\)", errors)
    assert shown == [("d", "97"), ("c", "62"), ("a", "50"), ("b", "50")]


def test_what_was_planned_is_listed(segment_run: RunFolder) -> None:
    planned = json.loads(segment_run.plan.read_text())["planned"]
    page = segment_run.report.read_text()
    assert planned
    assert all(f'<th scope="row">{key}</th>' in page for key in planned)
