"""Weights that torch saved become safetensors, and no code of theirs is run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import lamelle
from lamelle.cli import main as entry
from lamelle.errors import LamelleError, RequestError


class Runs:
    """A pickle of this makes a folder when it is read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.folder),)


def test_weights_that_torch_saved_become_safetensors(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file

    net = torch.nn.Linear(3, 2)
    saved = {"epoch": 7, "state_dict": {f"module.{k}": v for k, v in net.state_dict().items()}}
    torch.save(saved, tmp_path / "w.pth")
    entry.main(["convert", str(tmp_path / "w.pth"), str(tmp_path / "w.safetensors")])
    found = load_file(tmp_path / "w.safetensors")
    assert found.keys() == net.state_dict().keys()
    assert all(torch.equal(found[k], v) for k, v in net.state_dict().items())
    with pytest.raises(RequestError, match=r"w\.safetensors"):
        lamelle.convert(tmp_path / "w.pth", tmp_path / "w.safetensors")


def test_weights_that_would_run_code_are_refused(tmp_path: Path) -> None:
    import torch

    torch.save({"state_dict": Runs(tmp_path / "made")}, tmp_path / "bad.pth")
    (tmp_path / "text.pth").write_text("no weights")
    torch.save({"epoch": 3}, tmp_path / "none.pth")
    for name, said in (("bad", "code in it is not run"), ("text", "not run|damaged"), ("none", "no tensors")):
        with pytest.raises(LamelleError, match=said):
            lamelle.convert(tmp_path / f"{name}.pth", tmp_path / "w.safetensors")
    assert not (tmp_path / "made").exists()
    assert not (tmp_path / "w.safetensors").exists()
