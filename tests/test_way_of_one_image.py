"""The table in docs/architecture.md that follows one image from the command line to the page is what happens."""

from __future__ import annotations

import importlib
import re
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FrameType

import pytest

ARCHITECTURE = Path(__file__).parents[1] / "docs" / "architecture.md"
SMALL = ("epochs=1", "patch=32", "samples=8", "batch=4", "filters=[4,8]", "threads=1", "workers=0", "task=segment")


def steps() -> list[str]:
    """Dotted names of the table's functions, from the top."""
    rows = re.findall(r"^\| (\d+) \| `([\w.]+)` \|", ARCHITECTURE.read_text(encoding="utf-8"), re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, len(rows) + 1))
    return [name for _, name in rows]


def module_and_function(name: str) -> tuple[str, CodeType]:
    """The module of a dotted name, and the code of the function or method that it names in it."""
    parts = name.split(".")
    length = next(n for n in range(len(parts), 0, -1) if _is_module(".".join(parts[:n])))
    found: object = importlib.import_module("lamelle." + ".".join(parts[:length]))
    for part in parts[length:]:
        found = getattr(found, part)
    found = getattr(found, "__func__", found)
    code = getattr(getattr(found, "__wrapped__", found), "__code__", None)
    assert isinstance(code, CodeType), f"{name} is no function"
    return ".".join(parts[:length]), code


def _is_module(name: str) -> bool:
    path = Path(importlib.import_module("lamelle").__file__ or "").parent.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def calls(wanted: set[CodeType], *words: str) -> Iterator[CodeType]:
    """Which of these functions a command calls, in order; again where another of them was called in between."""
    from lamelle.cli.main import main

    called: list[CodeType] = []

    def listen(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code in wanted and called[-1:] != [frame.f_code]:
            called.append(frame.f_code)

    threading.setprofile(listen)
    sys.setprofile(listen)
    try:
        main([*words])
    finally:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]
    yield from called


def test_no_module_stands_in_the_table_twice():
    modules = [module_and_function(name)[0] for name in steps()]
    assert len(modules) > 30
    assert len(set(modules)) == len(modules)


def test_one_image_goes_the_way_that_is_written(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    from lamelle.verbs.folders import demo

    data = tmp_path / "data"
    demo("nuclei", out=data, count=12, size=64)
    functions = {name: module_and_function(name)[1] for name in steps()}
    way = calls(set(functions.values()), "train", str(data), "--runs", str(tmp_path / "runs"), "--name", "a", *SMALL)
    reached = "the beginning"
    for name, code in functions.items():
        assert any(called is code for called in way), f"after {reached} came no {name}"
        reached = name
