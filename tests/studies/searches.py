"""What the tests of searches share: a search whose trials are formulas, and a PostgreSQL server of one's own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lamelle.data.store import Store
from lamelle.studies.folder import StudyFolder
from lamelle.studies.search import objective
from lamelle.studies.search import search as searches
from lamelle.studies.search.dimensions import parse
from lamelle.studies.search.objective import SearchSetting
from lamelle.studies.search.search import Search
from lamelle.studies.search.storage import open_storage
from lamelle.training.progress import Plain


def setting(*pairs: str, **given: Any) -> SearchSetting:
    """A search without data."""
    _, dimensions = parse(pairs)
    usual: dict[str, Any] = {"sampler": "grid", "pruner": "none", "objective": "macro_f1", "direction": "maximize"}
    about = {"data": Path("nowhere"), "common": {}, "epochs": 9, "seed": 0, "split": 1} | usual | given
    return SearchSetting(dimensions=tuple(dimensions), **about)


def begun(folder: Path, asked: SearchSetting, *, trials: int = 0, url: str | None = None) -> Search:
    """The search in a folder, begun or gone on with."""
    study = StudyFolder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    study.write_json(study.request, asked.model_dump(mode="json"))
    return Search(study, asked, searches._points(asked, trials), open_storage(url, folder))


Formula = Callable[[dict[str, Any], objective.Reporting], float]


def formula(monkeypatch: pytest.MonkeyPatch, score: Formula) -> None:
    """Trials are scored by a formula of their values instead of a training."""

    def scored(self: objective.Objective, trial: Any, progress: objective.Reporting) -> float:
        value = score(trial.params, progress)
        found = {"value": value, "low": value - 0.2, "high": value + 0.2, "n": 40, "unit": "image", "level": 0.95}
        trial.set_user_attr("score", found)
        return value

    monkeypatch.setattr(objective.Objective, "_score", scored)


def work(search: Search) -> None:
    search.work(Store(search.folder.path / "store", budget=1 << 20), Plain())


@contextmanager
def postgres() -> Iterator[str]:
    """A PostgreSQL server on a free port of this machine alone; its address."""
    control = shutil.which("pg_ctl") or next(map(str, Path("/usr/lib/postgresql").glob("*/bin/pg_ctl")), None)
    if control is None:
        pytest.skip("no PostgreSQL server here (pg_ctl was not found)")
    binaries = Path(control).resolve().parent
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # a folder that is not below the tests': another user may have to enter it, and the paths of sockets are short
    with tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as folder:
        before = _as_another(folder)

        def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
            command = [*before, str(binaries / program), *arguments]
            return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=folder)

        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}"
        server = ("-D", f"{folder}/server")
        steps = (
            ("initdb", *server, "-U", "lamelle", "-A", "trust", "-E", "UTF8", "--no-sync"),
            ("pg_ctl", *server, "-l", f"{folder}/log", "-o", options, "-w", "start"),
            ("createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "lamelle", "search"),
        )
        try:
            for step in steps:
                if (done := run(*step)).returncode:
                    pytest.skip(f"PostgreSQL cannot be started here: {step[0]}: {done.stderr.strip()[:300]}")
            yield f"postgresql://lamelle@127.0.0.1:{port}/search"
        finally:
            run("pg_ctl", *server, "-m", "immediate", "-w", "stop")


def _as_another(folder: str) -> list[str]:
    """What runs a program as somebody who is not root, since PostgreSQL refuses root; the folder becomes theirs."""
    if os.geteuid():
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("PostgreSQL refuses to run as root, and there is no setpriv to run it as another user")
    nobody = 65534
    os.chown(folder, nobody, nobody)
    return ["setpriv", f"--reuid={nobody}", f"--regid={nobody}", "--clear-groups"]


def waited(for_what: Callable[[], bool], *, most: float) -> bool:
    """Whether something came true in time."""
    until = time.monotonic() + most
    while time.monotonic() < until:
        if for_what():
            return True
        time.sleep(0.02)
    return False
