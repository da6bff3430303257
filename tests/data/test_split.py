"""Splits keep together what belongs together, are deterministic, and never come out empty."""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamelle.data import split
from lamelle.data.splits.options import Split
from lamelle.errors import RequestError
from lamelle.types import SPLITS, Record, Source

SHARES = {"train": 0.65, "validation": 0.15, "test": 0.20}
OPTIONS = Split(train=SHARES["train"], validation=SHARES["validation"], test=SHARES["test"])


def record(i: int, **values: object) -> Record:
    return Record(f"{i:04}.png", Source(Path(f"{i:04}.png")), **values)  # type: ignore[arg-type]


def names(records: tuple[Record, ...]) -> list[str]:
    return [r.split or "" for r in records]


def test_thirty_slices_are_cut_as_the_isbi_protocol_cuts_them() -> None:
    slices = [record(z, position=z, columns={"volume": "v"}) for z in range(30)]
    done, by = split.assign(slices, OPTIONS)
    assert by == "block"
    assert [names(done).index(s) for s in SPLITS] == [0, 19, 24]
    assert Counter(names(done)) == {"train": 18, "validation": 4, "test": 6, "gap": 2}
    assert [r.position for r in done if r.split == split.GAP] == [18, 23]


def test_blocks_by_hand() -> None:
    slices = [record(z, position=z) for z in range(10)]
    blocks = {"train": "0-3,9", "validation": "5", "test": "7-8"}
    done, _ = split.assign(slices, OPTIONS.but(blocks=blocks))
    assert names(done) == ["train"] * 4 + ["gap", "validation", "gap", "test", "test", "train"]


@given(n=st.integers(8, 200), seed=st.integers(0, 5), strata=st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_strata_keep_their_proportions(n: int, seed: int, strata: int) -> None:
    records = [record(i, stratum=str(i % strata)) for i in range(n)]
    options = OPTIONS.but(seed=seed)
    done, by = split.assign(records, options)
    again, _ = split.assign(records, options)
    assert by == "record"
    assert done == again
    for stratum in {r.stratum for r in done}:
        have = Counter(r.split for r in done if r.stratum == stratum)
        size = sum(have.values())
        assert all(abs(have[s] - share * size) <= 1.5 for s, share in SHARES.items())


@given(sizes=st.lists(st.integers(1, 30), min_size=3, max_size=40), seed=st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_a_group_is_never_torn(sizes: list[int], seed: int) -> None:
    records = [record(100 * g + i, group=f"g{g}", stratum=str(i % 2)) for g, n in enumerate(sizes) for i in range(n)]
    done, by = split.assign(records, OPTIONS.but(seed=seed, by="group"))
    places: dict[str, set[str]] = defaultdict(set)
    for r in done:
        places[r.group or ""].add(r.split or "")
    assert by == "group"
    assert all(len(p) == 1 for p in places.values())
    assert set(SPLITS) <= set(names(done))


def test_another_seed_is_another_split() -> None:
    records = [record(i) for i in range(50)]
    assert split.assign(records, OPTIONS)[0] != split.assign(records, OPTIONS.but(seed=1))[0]


def test_given_splits_are_kept_and_validation_comes_from_training() -> None:
    records = [record(i, split="train" if i < 20 else "test") for i in range(30)]
    done, by = split.assign(records, OPTIONS)
    assert by == "given"
    assert {r.id for r in done if r.split == "test"} == {r.id for r in records[20:]}
    assert Counter(names(done))["validation"] == 4


def test_folds_test_each_record_once() -> None:
    records = [record(i, stratum=str(i % 3)) for i in range(31)]
    folded, _ = split.assign(records, OPTIONS.but(folds=5))
    tested = Counter(r.id for k in range(5) for r in split.as_fold(folded, fold=k, folds=5) if r.split == "test")
    assert tested == {r.id: 1 for r in records}
    one = split.as_fold(folded, fold=4, folds=5)
    assert set(names(one)) == set(SPLITS)


@pytest.mark.parametrize(
    ("records", "options", "said"),
    [
        ([record(0), record(1)], OPTIONS, "no record falls into"),
        ([record(i) for i in range(9)], OPTIONS.but(by="group"), r"data\.group"),
        ([record(i) for i in range(9)], OPTIONS.but(by="block"), "position"),
        ([record(z, position=z) for z in range(4)], OPTIONS, "too few"),
        ([record(i, split="train" if i else None) for i in range(9)], OPTIONS, "have no split"),
        ([record(i, split="train") for i in range(9)], OPTIONS, "train and test or validation are needed"),
        ([record(z, position=z) for z in range(9)], OPTIONS.but(blocks={"train": "0-x"}), "0-17"),
        (
            [record(z, position=z) for z in range(9)],
            OPTIONS.but(blocks={"train": "0-4", "test": "4"}),
            "two spl",
        ),
        ([record(i, group=f"g{i % 2}") for i in range(9)], OPTIONS.but(by="group"), "cannot fill 3"),
    ],
)
def test_impossible_splits_say_why(records: list[Record], options: Split, said: str) -> None:
    with pytest.raises(RequestError, match=said):
        split.assign(records, options)


def test_the_table_for_people_names_each_record_with_its_split_and_group() -> None:
    done, _ = split.assign([record(i, group=f"ü,{i % 5}") for i in range(20)], OPTIONS)
    rows = list(csv.DictReader(io.StringIO(split.to_csv(done), newline="")))
    assert [(r["id"], r["split"], r["group"]) for r in rows] == [(r.id, r.split, r.group) for r in done]
