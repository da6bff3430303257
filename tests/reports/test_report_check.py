"""The page and the table of ``lamelle check``: every problem is named, with its place and its cure."""

from __future__ import annotations

import io
import re
import shutil
from html import escape, unescape
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from rich.console import Console
from support import look

from lamelle.errors import DataError, kinds, sentence
from lamelle.messages import text
from lamelle.reports.dataset import PLACES, problem_boxes
from lamelle.reports.terminal import EACH, print_check
from lamelle.results.audit import Audit, DataStatistics
from lamelle.runs.data_pictures import spread
from lamelle.runs.splitting import Outlook
from lamelle.types import Index, Problem, Record, Source


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes in two formats, with copies, a broken file, an empty image, and names that are programs or marks."""
    folder, rng = tmp_path_factory.mktemp("faulty"), np.random.default_rng(0)
    for name, suffix in (("left", "png"), ("<i>right", "jpg")):
        (folder / name).mkdir()
        for i in range(14):
            coarse = rng.integers(0, 255, (6, 6), np.uint8)
            Pillow.fromarray(coarse).resize((48, 48), Pillow.Resampling.BICUBIC).save(folder / name / f"{i}.{suffix}")
    shutil.copy(folder / "left/3.png", folder / "<i>right/<script>alert(1).png")
    shutil.copy(folder / "left/4.png", folder / "left/[red]4.png")
    (folder / "left/cut.png").write_bytes((folder / "left/5.png").read_bytes()[:200])
    Pillow.fromarray(np.zeros((48, 48), np.uint8)).save(folder / "left/black.png")
    (folder / "left/.DS_Store").write_bytes(b"x")
    return folder


@pytest.fixture
def checked(faulty: Path, tmp_path: Path) -> tuple[Index, Audit, str]:
    index, audit, _ = look(faulty, report=tmp_path / "pages" / "check.html")
    return index, audit, (tmp_path / "pages" / "check.html").read_text()


def test_every_problem_is_on_the_page(checked: tuple[Index, Audit, str]) -> None:
    _, audit, page = checked
    codes = {p.code for p in audit.problems}
    assert {"files.truncated", "audit.constant", "audit.duplicate_conflict", "audit.duplicate"} <= codes
    assert "audit.class_equals_format" in codes
    shown = unescape(page)
    for problem in audit.problems:
        assert problem.code in page
        assert problem.where in shown
        assert text(problem.code, **problem.values)[1:] in shown


def test_the_verdict_stands_on_top(checked: tuple[Index, Audit, str]) -> None:
    _, audit, page = checked
    top = page[page.index('id="verdict"') : page.index('id="problems"')]
    assert "Not ready" in top
    assert f"{len(audit.errors)} error(s)" in top


def test_errors_come_before_warnings_and_notes(checked: tuple[Index, Audit, str]) -> None:
    order = re.findall(r'class="problem (\w+)"', checked[2])
    assert order == sorted(order, key=["error", "warning", "note"].index)
    assert len(set(order)) > 1


def test_copies_classes_and_shortcuts_are_shown(checked: tuple[Index, Audit, str]) -> None:
    _, audit, page = checked
    assert page.count('<li class="pair">') == len(audit.pairs) >= 2
    assert "Possible shortcuts" in page
    assert "File format" in page
    assert "Images of each class" in page
    assert ".DS_Store" in page
    gallery = page[page.index('id="previews"') :]
    assert 20 < gallery.count("<img") <= 24
    assert "cut.png" not in gallery


def test_the_page_is_escaped_and_needs_nothing(checked: tuple[Index, Audit, str]) -> None:
    page = checked[2]
    assert "<script" not in page
    assert "<i>" not in page
    assert escape("<i>right") in page
    assert "http" not in page.replace("http-equiv", "")
    assert set(re.findall(r'(?:src|href)="(#|data:image/)?', page)) == {"#", "data:image/"}


def test_labels_of_a_segmentation_are_drawn(tmp_path: Path) -> None:
    for name in ("images", "masks"):
        (tmp_path / "data" / name).mkdir(parents=True)
    rng = np.random.default_rng(1)
    for i in range(3):
        Pillow.fromarray(rng.integers(0, 255, (40, 40), np.uint8)).save(tmp_path / "data/images" / f"{i}.png")
        mask = np.zeros((40, 40), np.uint8)
        mask[10:20, 10 + i : 20] = 1
        Pillow.fromarray(mask).save(tmp_path / "data/masks" / f"{i}.png")
    look(tmp_path / "data", report=tmp_path / "check.html")
    page = (tmp_path / "check.html").read_text()
    assert "Values in the label images" in page
    assert page.count('class="coarse"') == 3


def test_nothing_readable_is_still_a_page(tmp_path: Path) -> None:
    (tmp_path / "data/a").mkdir(parents=True)
    (tmp_path / "data/b").mkdir()
    for name in ("a/x.png", "b/y.png"):
        (tmp_path / "data" / name).write_bytes(b"\x89PNG\r\n\x1a\n")
    look(tmp_path / "data", report=tmp_path / "check.html")
    page = (tmp_path / "check.html").read_text()
    assert "a/x.png" in page
    assert "b/y.png" in page


def test_long_lists_are_cut_and_say_so() -> None:
    problems = [Problem("files.empty", f"{i}.png") for i in range(PLACES + 5)]
    (box,) = problem_boxes([*problems, Problem("audit.spacing_unknown", severity="note")], least="warning")
    assert (box.title, len(box.places)) == (text("report.found_times", n=PLACES + 5), PLACES)
    assert box.more == text("report.more_places", n=5)
    assert box.lines
    assert all(said == "" for _, said in box.places)


def test_some_images_of_each_class_are_chosen() -> None:
    records = [Record(str(i), Source(Path(str(i))), stratum="ab"[i >= 90]) for i in range(100)]
    chosen = spread(records, 8)
    assert [r.stratum for r in chosen] == ["a"] * 4 + ["b"] * 4
    assert chosen[0] is records[0]
    assert chosen[-1] is records[-1]


def printed(index: Index, audit: Audit, *, terminal: bool) -> str:
    out = io.StringIO()
    print_check(
        index, audit, Outlook((), "", {}, ()), Console(file=out, force_terminal=terminal, width=200, color_system=None)
    )
    return out.getvalue()


def test_plain_lines_name_every_kind_of_problem(checked: tuple[Index, Audit, str]) -> None:
    index, audit, _ = checked
    lines = printed(index, audit, terminal=False).splitlines()
    for kind in kinds(audit.problems):
        (line,) = [at for at in lines if at.startswith(f"{kind[0].severity}: {sentence(kind[0])}")]
        assert all(problem.where in line for problem in kind[:4])
        assert ("more like it" in line) == (len(kind) > 1)
    assert lines[-1].startswith(f"{len(audit.errors)} error(s)")
    assert any("[red]4.png" in line for line in lines)


@pytest.mark.parametrize("terminal", [True, False])
def test_each_kind_of_problem_is_one_entry_however_many_files_have_it(terminal: bool) -> None:
    problems = tuple(Problem("files.empty", f"image{i:03}.png") for i in range(300))
    problems += tuple(Problem("layouts.listed_missing", f"t.csv:{i}", "error", {"file": f"{i}.png"}) for i in range(90))
    passed = {"count": 2, "names": "a"}
    problems += tuple(
        Problem("layouts.passed_microscope", "", "warning", passed | {"suffix": s}) for s in (".czi", ".lif")
    )
    audit = Audit(problems, (), (), {}, DataStatistics())
    said = printed(Index(Path("data"), "class_folders", ()), audit, terminal=terminal)
    assert len(said.splitlines()) < 30
    for wanted in ("image000.png", "image003.png", "and 299 more like it", "t.csv:3", "and 89 more like it"):
        assert wanted in said
    assert "image005.png" not in said
    assert ".czi" in said  # what is said of no place is said whole
    assert ".lif" in said
    assert "390 error(s), 2 warning(s)" in said
    assert "--report" in said


def test_an_error_names_each_kind_once() -> None:
    missing = [Problem("layouts.missing_mask", f"{i}.png") for i in range(40)]
    lines = str(DataError([*missing, Problem("files.empty", "x.png")])).splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("41 problem(s)")
    assert "0.png" in lines[1]
    assert "and 39 more like it: 1.png, 2.png, 3.png … (+36)" in lines[1]


def test_the_table_names_every_kind_of_problem(checked: tuple[Index, Audit, str]) -> None:
    index, audit, _ = checked
    table = printed(index, audit, terminal=True)
    for kind in kinds(audit.problems):
        assert text(kind[0].code, **kind[0].values)[:20] in table
        assert all(problem.where in table for problem in kind[:EACH])
    assert "Severity" in table


def test_a_name_cannot_forge_a_line_of_the_terminal() -> None:
    index = Index(Path("data"), "class_folders", ())
    audit = Audit((Problem("files.empty", "a\x1b[2J\nok.png"),), (), (), {}, DataStatistics())
    for terminal in (True, False):
        assert "\x1b[2J" not in printed(index, audit, terminal=terminal)
        assert "\\x1b" in printed(index, audit, terminal=terminal)


@pytest.mark.real
def test_the_source_of_real_chest_x_rays_gives_the_class_away(real_data: Path, tmp_path: Path) -> None:
    look(real_data / "cxr-4class", report=tmp_path / "check.html")
    page = (tmp_path / "check.html").read_text()
    assert "Possible shortcuts" in page
    assert len(page) < 6_000_000
