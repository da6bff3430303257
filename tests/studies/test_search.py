"""A search tries every point once, whoever is killed; what it says is what the validation set said."""

from __future__ import annotations

import csv
import json
import math
import multiprocessing
import socket
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from studies.searches import begun, formula, postgres, setting, work

from lamelle.errors import RequestError
from lamelle.platform import FileLock, network_disk
from lamelle.reports import search as search_page
from lamelle.results.history import Epoch
from lamelle.results.studies import SearchResult
from lamelle.studies.search import objective, results, storage
from lamelle.studies.search import points as queue
from lamelle.studies.search.dimensions import grid, parse
from lamelle.studies.search.points import ATTEMPTS, POINT, WORKER
from lamelle.studies.search.search import Search
from lamelle.studies.search.storage import hidden, open_storage
from lamelle.training.loop import Interrupted, NonFinite

optuna = pytest.importorskip("optuna")
GRID = ("lr=0.1,0.01,0.001", "batch=8,16")


def collected(search: Search) -> SearchResult:
    return results.collect(search.study, search.setting, search.points)


def states(search: Search) -> dict[int, list[str]]:
    """The states of each point's trials."""
    found: dict[int, list[str]] = {}
    for trial in search.study.get_trials(deepcopy=False):
        if POINT in trial.user_attrs:
            found.setdefault(trial.user_attrs[POINT], []).append(trial.state.name)
    return found


# what is asked for ---------------------------------------------------------------------------------------------------


def test_lists_and_ranges_become_dimensions() -> None:
    shared, found = parse(["epochs=3", "lr=1e-4..1e-1", "batch=8..64", "model.dropout=0..0.5", "augment=none,default"])
    assert shared == ["epochs=3"]
    kinds = {d.key: (d.low, d.high, d.integer, d.log, d.values) for d in found}
    assert kinds == {
        "train.lr": (1e-4, 1e-1, False, True, ()),
        "train.batch": (8, 64, True, False, ()),
        "model.dropout": (0, 0.5, False, False, ()),
        "augment": (0, 0, False, False, ("none", "default")),
    }


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        (["lr=1e-1..1e-4"], "range is empty"),
        (["lr=1,2", "train.lr=1e-3..1"], "given twice"),
        (["lr=1,2", "train.lr=3"], "given twice"),
        (["lr=1,1"], "listed twice"),
        (["split.seed=1,2"], "different validation sets"),
        (["lrate=1..2"], "lrate"),
    ],
)
def test_what_cannot_be_searched_is_refused(pairs: list[str], said: str) -> None:
    with pytest.raises(RequestError, match=said):
        parse(pairs)


def test_a_grid_is_every_combination_of_lists() -> None:
    points = grid(setting(*GRID).dimensions)
    assert len(points) == len({json.dumps(p) for p in points}) == 6
    with pytest.raises(RequestError, match=r"ranges: train\.lr"):
        grid(setting("lr=1e-3..1").dimensions)


# each point once -----------------------------------------------------------------------------------------------------


def test_two_workers_share_a_grid_without_doing_a_point_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    formula(monkeypatch, lambda params, _: float(params["train.lr"]) + float(params["train.batch"]))
    searches = [begun(tmp_path / "s", setting(*GRID)) for _ in range(2)]
    threads = [threading.Thread(target=work, args=(one,)) for one in searches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert states(searches[0]) == {point: ["COMPLETE"] for point in range(6)}
    assert searches[0].fill() == 0
    best = collected(searches[0]).best_trial
    assert best is not None
    assert best.params == {"train.lr": "0.1", "train.batch": "16"}


def test_filling_twice_changes_nothing(tmp_path: Path) -> None:
    search = begun(tmp_path / "s", setting(*GRID))
    assert [search.fill(), begun(tmp_path / "s", setting(*GRID)).fill()] == [6, 6]
    assert states(search) == {0: ["WAITING"]}
    with queue.Worker(search.folder.path), queue.Worker(search.folder.path):
        assert search.fill() == 6
        assert states(search) == {0: ["WAITING"], 1: ["WAITING"]}  # one for each


def taken(search: Search, worker: dict[str, str] | None) -> Any:
    """A trial as a worker leaves it that is killed after it has taken it."""
    assert search.fill(worker and worker["name"])
    trial = search.study.ask()
    if worker is not None:
        trial.set_user_attr(WORKER, worker)
    return trial


def test_the_point_of_a_dead_worker_is_tried_again_and_that_of_a_living_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = begun(tmp_path / "s", setting(*GRID))
    dead, alive = queue.Worker(search.folder.path), queue.Worker(search.folder.path)
    with alive:
        dead._lock.take(wait=True)
        first, second = taken(search, dead.about), taken(search, alive.about)
        assert search.fill() == 4
        dead._lock.release()  # as the system does it for a process that was killed
        assert search.fill() == 5
        found = states(search)
        assert found[first.user_attrs[POINT]][0] == "FAIL"
        assert found[second.user_attrs[POINT]] == ["RUNNING"]
    assert search.fill() == 6  # the other worker is gone too, and took its file with it
    formula(monkeypatch, lambda params, _: float(params["train.lr"]))
    work(search)
    assert {point: each.count("COMPLETE") for point, each in states(search).items()} == dict.fromkeys(range(6), 1)
    assert states(search)[first.user_attrs[POINT]] == ["FAIL", "COMPLETE"]
    assert {p: {k: str(v) for k, v in params.items()} for p, params in by_point(search).items()} == dict(
        enumerate(search.points)
    )


def test_a_worker_killed_before_it_wrote_its_name_leaves_nothing_stuck(tmp_path: Path) -> None:
    search = begun(tmp_path / "s", setting(*GRID))
    with queue.Worker(search.folder.path):
        taken(search, None)
        assert search.fill() == 5  # it may be the living one's
    assert search.fill() == 6
    assert all("RUNNING" not in each for each in states(search).values())


def test_trials_of_another_machine_are_left_to_their_heartbeat(tmp_path: Path) -> None:
    search = begun(tmp_path / "s", setting(*GRID))
    taken(search, {"host": f"not-{socket.gethostname()}", "name": "x"})
    assert search.fill() == 5


def test_a_point_at_which_workers_die_comes_last_and_is_named(tmp_path: Path) -> None:
    search = begun(tmp_path / "s", setting("lr=0.1,0.01"))
    tried = [taken(search, None).user_attrs[POINT] for _ in range(ATTEMPTS + 2)]
    assert tried == [0] * ATTEMPTS + [1, 1]
    assert search.fill() == 2
    result = collected(search)
    assert [one.state for one in result.trials] == ["waiting", "waiting"]
    assert f"{ATTEMPTS} times" in next(one.reason or "" for one in result.trials if one.point == 0)
    assert "no best one" in " ".join(search_page.sentences(result))


def test_what_cannot_be_trained_fails_alone_and_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def score(params: dict[str, Any], _: Any) -> float:
        if params["train.lr"] == "0.1":
            raise NonFinite("train.nan_gradient", step=3, files="a.png", kept="step-3.json")
        return 0.5

    formula(monkeypatch, score)
    search = begun(tmp_path / "s", setting(*GRID))
    work(search)
    work(search)
    result = collected(search)
    assert sorted(one.state for one in result.trials) == ["done"] * 4 + ["failed"] * 2
    assert len(search.study.get_trials()) == 6
    reason = next(one.reason or "" for one in result.trials if one.state == "failed")
    assert "a.png" in reason
    assert "step-3.json" not in reason, "checkpoints of trials are removed"


def test_a_stopped_search_tries_the_same_points_as_one_that_was_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = setting("lr=1e-4..1e-1", "batch=8..64", sampler="tpe")
    formula(monkeypatch, lambda params, _: -abs(params["train.lr"] - 0.01))
    whole = begun(tmp_path / "whole", asked, trials=14)
    work(whole)
    left = [3]

    def score(params: dict[str, Any], _: Any) -> float:
        left[0] -= 1
        if left[0] == 0:
            raise Interrupted("train.interrupted", signal="SIGTERM", run="x")
        return -abs(params["train.lr"] - 0.01)

    formula(monkeypatch, score)
    with pytest.raises(Interrupted):
        work(begun(tmp_path / "stopped", asked, trials=14))
    stopped = begun(tmp_path / "stopped", asked, trials=14)
    work(stopped)
    assert len(stopped.study.get_trials()) == 15
    assert by_point(stopped) == by_point(whole)
    assert len({json.dumps(p) for p in by_point(whole).values()}) == 14
    more = begun(tmp_path / "whole", asked, trials=16)
    work(more)
    assert len(by_point(more)) == 16


def by_point(search: Search) -> dict[int, dict[str, Any]]:
    return {one.point: one.params for one in collected(search).done}


@pytest.mark.parametrize("pruner", ["asha", "hyperband"])
def test_hopeless_trials_are_stopped_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pruner: str) -> None:
    epochs: dict[str, int] = {}

    def score(params: dict[str, Any], progress: objective.Reporting) -> float:
        value, progress.last = 1 / (1 + float(params["train.lr"])), 9
        for epoch in range(1, 10):
            epochs[params["train.lr"]] = epoch
            known = {"train_loss": 0.5, "loss": 0.5, "seconds": 0.0, "best": True}
            found = {"macro_f1": value * epoch / 9}
            progress.epoch(Epoch(epoch=epoch, step=epoch, lr=0.1, validation=found, **known), monitor="macro_f1")
        return value

    formula(monkeypatch, score)
    values = [str(v) for v in range(1, 19)]
    search = begun(tmp_path / "s", setting("lr=" + ",".join(values), pruner=pruner))
    work(search)
    result = collected(search)
    reached = {str(one.params["train.lr"]): one.best_so_far for one in result.trials if one.state == "stopped"}
    assert len(reached) >= 6
    assert epochs["1"] == 9
    assert all(best is not None and epochs[lr] == best.epoch < 9 for lr, best in reached.items())
    assert result.best_trial is not None
    assert result.best_trial.params == {"train.lr": "1"}
    assert "stopped early" in page(result)


def test_less_is_better_where_the_score_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    formula(monkeypatch, lambda params, _: float(params["train.lr"]))
    search = begun(tmp_path / "s", setting(*GRID, objective="log_loss", direction="minimize"))
    work(search)
    result = collected(search)
    assert result.best_trial is not None
    assert result.best_trial.params["train.lr"] == "0.001"
    assert search.study.best_trial.params["train.lr"] == "0.001"


# what is said --------------------------------------------------------------------------------------------------------


def page(result: SearchResult, *command: str) -> str:
    return search_page.page("s", result, command, sampler="random")


def changed(result: SearchResult, **score: Any) -> SearchResult:
    """The same with other scores of its trials."""
    trials = [one.model_copy(update={"score": one.score and replace(one.score, **score)}) for one in result.trials]
    return result.model_copy(update={"trials": tuple(trials)})


def test_the_page_says_what_was_found_and_that_it_flatters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    formula(monkeypatch, lambda params, _: params["train.lr"] * 5 + 0.001 * params["train.batch"])
    search = begun(tmp_path / "s", setting("lr=1e-3..1e-1", "batch=8..64", sampler="random"), trials=24)
    work(search)
    wanted = collected(search)
    search.folder.write_result(wanted, table=results.to_csv(wanted), page=page(wanted))
    result = search.folder.read_result()
    assert isinstance(result, SearchResult)
    assert result.model_dump_json() == wanted.model_dump_json()
    said = " ".join(search_page.sentences(result))
    scores = {one.trial: one.score for one in result.trials if one.score is not None}
    best = max(scores.values(), key=lambda score: score.value)
    assert result.best_trial is not None
    assert result.best_trial.score == best
    assert f"train.batch={result.best_trial.params['train.batch']}" in said
    assert "best of 24 scores on the same validation set" in said
    near = sum(score.value >= best.low for score in scores.values())
    assert near > 1
    assert f"{near} of the 24" in said
    assert result.importance["train.lr"] > result.importance["train.batch"]
    assert sum(result.importance.values()) == pytest.approx(1)
    alone = changed(result, low=math.nan, high=math.nan, n=1, unit="slice", reason="few", of="a")
    assert "(no interval: 1 slice of a; 5 are needed)" in " ".join(search_page.sentences(alone))
    even = changed(result, value=best.value)
    assert "have the same score: none of them is ahead" in " ".join(search_page.sentences(even))
    assert "have the same score" not in said
    assert "[–" not in " ".join([*search_page.sentences(alone), *search_page.terminal(alone)])
    shown = page(result, "tune", "x")
    assert shown.count('<svg class="figure"') == 3
    assert "http" not in shown.replace("http-equiv", "")
    rows = list(csv.DictReader(search.folder.table.read_text(encoding="utf-8").splitlines()))
    assert len(rows) == 24
    assert float(next(row for row in rows if row["trial"] == str(result.best))["macro_f1"]) == pytest.approx(
        best.value, rel=1e-5
    )
    assert len(search_page.terminal(result)) > 12
    row = next(csv.DictReader(results.to_csv(alone).splitlines()))
    assert (row["macro_f1_low"], row["macro_f1_n"], row["macro_f1_unit"]) == ("", "1", "slice")
    assert (row["macro_f1_reason"], row["reason"]) == ("no interval: 1 slice of a; 5 are needed", "")


# where it stands -----------------------------------------------------------------------------------------------------


def test_what_a_study_sets_itself_is_not_searched() -> None:
    for pair in ("data.path=a,b", "train.schedule_points=[],[[0,1]]"):
        with pytest.raises(RequestError, match="tells no variants apart"):
            parse([pair])
    assert parse(["train.seed=1,2"])[1]


def test_sqlite_is_for_one_machine_and_a_local_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_storage(None, tmp_path)
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(storage.socket, "gethostname", lambda: "elsewhere")
        with pytest.raises(RequestError, match="one machine only"):
            open_storage(None, tmp_path)
        (tmp_path / "trials.db.host").unlink()  # the cure that the sentence names
        open_storage(None, tmp_path)
    monkeypatch.setattr(storage, "network_disk", lambda _: "nfs4")
    with pytest.raises(RequestError, match="network disk"):
        open_storage(None, tmp_path)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nonsense", "not an address"),
        ("mysql://me:pw@host/x", "only PostgreSQL"),
        ("sqlite:////no/such/x.db", "no such"),
    ],
)
def test_addresses_that_are_none(tmp_path: Path, url: str, said: str) -> None:
    with pytest.raises(RequestError, match=said) as caught:
        open_storage(url, tmp_path)
    assert "pw" not in str(caught.value)


def test_a_server_that_does_not_answer_is_named_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(storage.Unreachable, match="does not answer") as caught:
        open_storage("postgresql://me:secret@127.0.0.1:9/x", tmp_path)
    assert "secret" not in str(caught.value)


def test_passwords_are_hidden() -> None:
    assert hidden("--storage=postgresql://me:secret@host/x") == "--storage=postgresql://me:***@host/x"
    assert hidden("lr=1e-3..1") == "lr=1e-3..1"


def test_the_disk_of_a_path_is_that_of_its_deepest_mount(monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = [("/", "ext4"), ("/far\\040away", "nfs4"), ("/far\\040away/near", "ext4")]
    table = "\n".join(f"{n} 0 0:{n} / {place} rw - {kind} disk rw" for n, (place, kind) in enumerate(mounts))
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: table)
    assert network_disk(Path("/far away/x")) == "nfs4"
    assert network_disk(Path("/far away/near/x")) is None
    assert network_disk(Path("/x")) is None


def hold(path: Path, ready: Any) -> None:
    FileLock(path).take(wait=True)
    ready.set()
    threading.Event().wait()


def test_a_lock_dies_with_its_holder(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    process = context.Process(target=hold, args=(tmp_path / "lock", ready))
    process.start()
    assert ready.wait(10)
    assert not FileLock(tmp_path / "lock").take(wait=False)
    process.kill()
    process.join()
    assert FileLock(tmp_path / "lock").take(wait=False)


def test_a_search_on_a_postgresql_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("psycopg")
    formula(monkeypatch, lambda params, _: float(params["train.lr"]))
    with postgres() as url:
        here = begun(tmp_path / "here" / "s", setting(*GRID), url=url)
        there = begun(tmp_path / "there" / "s", setting(*GRID), url=url)  # as another machine has it
        here.fill()
        threads = [threading.Thread(target=work, args=(one,)) for one in (here, there)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert states(here) == {point: ["COMPLETE"] for point in range(6)}
        with pytest.raises(RequestError, match="something else"):
            begun(tmp_path / "other" / "s", setting("lr=1,2"), url=url)
        for one in (here, there):
            one.storage.rdb.engine.dispose()
