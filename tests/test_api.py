"""The Python surface: verbs are functions whatever was imported before, and importing costs nothing."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys

import lamelle


def test_verbs_stay_verbs_after_every_room_was_imported() -> None:
    """A room that had a verb's name would replace it the moment it is imported."""
    for module in pkgutil.walk_packages(lamelle.__path__, "lamelle."):
        if module.name != "lamelle.__main__":
            importlib.import_module(module.name)
    for name in ("check", "convert", "demo", "evaluate", "predict", "report", "train"):
        assert callable(getattr(lamelle, name)), name


def test_all_is_what_is_public() -> None:
    assert set(dir(lamelle)) == set(lamelle.__all__)
    for name in lamelle.__all__:
        assert getattr(lamelle, name) is not None


def test_importing_lamelle_imports_nothing_heavy() -> None:
    said = subprocess.run(
        [sys.executable, "-c", "import lamelle, sys; print(*sys.modules)"], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"torch", "numpy", "pydantic", "matplotlib", "rich", "timm"} & set(said)
