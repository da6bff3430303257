"""Columns of ids are named by what their cells are, whatever they are called; facts of patients are not."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lamelle.data.groups.decide import grouped
from lamelle.types import ClassNames, Index, Record, Source

ROOT = Path("/data")
Table = dict[str, list[str]]
SYLLABLES = ("mo", "rei", "ba", "lu", "ten", "ka", "vil", "du", "sar", "nek", "po", "hau", "fre", "gi", "zol")


def named(table: Table, labels: list[str]) -> list[str]:
    """The columns that a reader of the table is told of, the first first."""
    records = tuple(
        Record(
            f"i{i:05d}.png",
            Source(ROOT / f"i{i:05d}.png"),
            ClassNames((label,)),
            columns={c: table[c][i] for c in table},
        )
        for i, label in enumerate(labels)
    )
    problems = grouped(Index(ROOT, "table", records), None).problems
    return [str(p.values["value"]) for p in problems if p.code.startswith(("groups.maybe", "groups.taken"))]


def surname(i: int) -> str:
    """One of 900 names; some are borne by two."""
    return f"{SYLLABLES[i % 15]}{SYLLABLES[i // 15 % 15]}{SYLLABLES[i * 7 % 4]}".capitalize()


def born(i: int, form: str) -> str:
    day = {"d": 1 + i * 7 % 28, "m": 1 + i * 5 % 12, "y": 1931 + i * 13 % 70}
    return form.format(**day)


def digest(i: int) -> str:
    return hashlib.sha256(str(i).encode()).hexdigest()


IDS: dict[str, Callable[[int], str]] = {
    "ID": lambda i: str(4000 + i),
    "NHS number": lambda i: str(4_000_000_000 + 7919 * i * i),
    "UR number": lambda i: f"{120_003 + 37 * i}",
    "Surname": surname,
    "Nachname": lambda i: surname(i + 9).upper(),
    "Nom": lambda i: f"{surname(i)} {surname(3 * i + 1)}",
    "Medical record": lambda i: f"{i * 31 + 7:06d}",
    "DOB": lambda i: born(i, "{y}-{m:02d}-{d:02d}"),
    "Geb.": lambda i: born(i, "{d:02d}.{m:02d}.{y}"),
    "Codice Fiscale": lambda i: f"{surname(i)[:6].upper():X<6}{60 + i % 40}A{i % 28 + 1:02d}H{501 + i}Z",
    "Pesel": lambda i: f"{44_051_400_000 + 104_729 * i}",
    "Casus": lambda i: str(i + 1),
    "lfd.": lambda i: str(3 + 2 * i + i % 2),
    "kod": lambda i: f"KR-{i + 1:03d}",
    "uuid": lambda i: f"{digest(i)[:8]}-{digest(i)[8:12]}-4{digest(i)[12:15]}-a{digest(i)[15:18]}-{digest(i)[18:30]}",
    "who": lambda i: digest(i)[:40],
    "Initialen": lambda i: "".join("ABCDEFGHKLMNPRSTVW"[(i // k) % 18] for k in (1, 18, 3)),
    "Huhn": lambda i: f"{'abcdefgh'[i % 8]}{i // 8 + 1}",
}


def rows(seed: int, *, least: int = 2, most: int = 12, patients: int = 34) -> np.ndarray:
    """The patient of each image."""
    rng = np.random.default_rng(seed)
    return np.repeat(np.arange(patients), rng.integers(least, most + 1, patients))


def about(patient: np.ndarray, seed: int) -> Table:
    """What tables say beside: of the patient, of the hospital, of the picture."""
    rng = np.random.default_rng([seed, 1])
    n = int(patient.max()) + 1
    ages, sexes = np.clip(rng.normal(58, 14, n), 18, 95).astype(int), rng.choice(["F", "M"], n)
    places, tall = rng.choice(["Lyon", "Brest", "Lille", "Metz", "Nice"], n), rng.normal(170, 9, n).astype(int)
    count = len(patient)
    return {
        "age": [str(ages[p]) for p in patient],
        "sex": [sexes[p] for p in patient],
        "ville": [places[p] for p in patient],
        "height": [str(tall[p]) for p in patient],
        "view": list(rng.choice(["PA", "AP", "LL"], count)),
        "mm": [f"{v:.2f}" for v in rng.gamma(3, 4, count)],
        "Breite": [str(v) for v in rng.choice([512, 768, 1024, 2048], count)],
    }


def shuffled(table: Table, labels: list[str], seed: int) -> tuple[Table, list[str]]:
    order = np.random.default_rng([seed, 2]).permutation(len(labels))
    return {c: [cells[i] for i in order] for c, cells in table.items()}, [labels[i] for i in order]


def diagnoses(patient: np.ndarray, seed: int, *, mixed: bool) -> list[str]:
    """The class of each image: of its patient, or of the image."""
    rng = np.random.default_rng([seed, 3])
    of_each = rng.choice(["benign", "malignant"], len(patient))
    return list(of_each if mixed else of_each[patient])


@pytest.mark.parametrize("order", ["sorted", "shuffled"])
@pytest.mark.parametrize("beside", ["alone", "about"])
@pytest.mark.parametrize("column", IDS)
def test_a_column_of_ids_is_named_first_and_alone(column: str, beside: str, order: str) -> None:
    seed = list(IDS).index(column)
    patient = rows(seed)
    labels = diagnoses(patient, seed, mixed=seed % 2 == 0)
    table = {**(about(patient, seed) if beside == "about" else {}), column: [IDS[column](int(p)) for p in patient]}
    if order == "shuffled":
        table, labels = shuffled(table, labels, seed)
    assert named(table, labels) == [column]


@pytest.mark.parametrize(("least", "most", "patients"), [(1, 3, 40), (2, 2, 30), (2, 12, 6), (20, 60, 9), (3, 9, 120)])
@pytest.mark.parametrize("column", IDS)
def test_whatever_the_number_of_images_of_each(column: str, least: int, most: int, patients: int) -> None:
    patient = rows(7, least=least, most=most, patients=patients)
    table = {**about(patient, 7), column: [IDS[column](int(p)) for p in patient]}
    found, labels = shuffled(table, diagnoses(patient, 7, mixed=False), 7)
    assert column in named(found, labels)


def test_a_few_images_more_than_patients_are_enough_with_the_age() -> None:
    """As among dermatoscopic images: most lesions have one."""
    lesion = np.repeat(np.arange(500), np.minimum(np.random.default_rng(4).geometric(0.75, 500), 6))
    table = {**about(lesion, 4), "Herd": [f"HAM_{7 * int(p):07d}" for p in lesion]}
    found, labels = shuffled(table, diagnoses(lesion, 4, mixed=False), 4)
    assert named(found, labels) == ["Herd"]
    sizes = {"octets": draws([str(v) for v in range(10_000, 11_000)], len(labels))}
    assert named(sizes, labels) == []


SELDOM: dict[str, Callable[[int], str]] = {
    "kundenr": lambda i: str(3100 + i),
    "akten": lambda i: str(7_000_003 + 104_729 * i * i % 9_000_011),
    "h": lambda i: digest(i)[:16],
    "k": lambda i: digest(i)[:8],
    "kode": lambda i: f"{'QXZ'[i % 3]}{i % 7}-{300 + i}",
}


@pytest.mark.parametrize("column", SELDOM)
def test_ids_of_which_most_stand_once_are_named(column: str) -> None:
    patient = np.concatenate([np.arange(60), np.arange(48, 60)])
    labels = draws(["benign", "malignant"], len(patient), 3)
    assert named({column: [SELDOM[column](int(p)) for p in patient]}, labels) == [column]
    assert named({column: [SELDOM[column](p) for p in range(60)]}, labels[:60]) == []


def test_a_column_with_ids_in_few_rows_is_named_and_remarks_in_few_rows_are_not() -> None:
    rows_with = {"karte": [f"K{i // 10 % 7}" if i % 5 == 0 else "" for i in range(140)]}
    labels = draws(["benign", "malignant"], 140, 4)
    assert named(rows_with, labels) == ["karte"]
    words = draws(["dim", "torn", "dirty", "moved", "cut", "thick", "pT1a", "pT2"], 140, 5)
    assert named({"v": [w if i % 5 == 0 else "" for i, w in enumerate(words)]}, labels) == []
    assert named({"v": [str(i * 7 % 11) if i % 5 == 0 else "" for i in range(140)]}, labels) == []


@pytest.mark.parametrize("seed", range(4))
def test_measures_that_meet_by_chance_are_not_named(seed: int) -> None:
    rng = np.random.default_rng([seed, 8])
    spread = {"v1": rng.normal(9000, 900, 150), "v2": rng.gamma(2, 3000, 150), "v3": 50 * rng.integers(200, 700, 150)}
    assert named({c: [str(int(v)) for v in found] for c, found in spread.items()}, draws(["a", "b"], 150)) == []


@pytest.mark.parametrize("first", [1, 4000])
def test_numbers_of_patients_in_order_are_no_slices(first: int) -> None:
    patient = rows(6, least=1, most=2, patients=50)
    assert named({"Casus": [str(first + int(p)) for p in patient]}, diagnoses(patient, 6, mixed=True)) == ["Casus"]
    slices = [f"{k:03d}" for n in (20, 25, 30, 22) for k in range(n)]
    assert named({"nr": slices}, diagnoses(np.arange(97), 6, mixed=True)) == []


def test_of_two_ids_what_holds_more_is_named_too() -> None:
    lesion = rows(3, patients=60)
    patient = lesion // 2
    table = {"Stelle": [f"N{p:04d}" for p in lesion], "Nachname": [surname(int(p)) for p in patient]}
    assert set(named({**about(patient, 3), **table}, diagnoses(lesion, 3, mixed=False))) == {"Stelle", "Nachname"}


def nobody(seed: int) -> tuple[Table, list[str]]:
    """One image a patient, and all that is known of them."""
    patient = np.arange(240)
    return {**about(patient, seed), "Kennung": [digest(int(p)) for p in patient]}, diagnoses(patient, seed, mixed=True)


def draws(values: list[str], n: int = 240, seed: int = 0, *, spread: float = 0.0) -> list[str]:
    """Any of some values for each image, the first more often with ``spread``."""
    weights = np.exp(-spread * np.arange(len(values)))
    return list(np.random.default_rng(seed).choice(values, n, p=weights / weights.sum()))


AGES = [str(v) for v in np.clip(np.random.default_rng(5).normal(60, 12, 240), 20, 95).astype(int)]
ORDINARY: dict[str, Table] = {
    "age": {"Alter": AGES, "Geschlecht": draws(["m", "w"])},
    "age in French": {"âge": AGES, "sexe": draws(["H", "F"])},
    "age of unknown name with the sex": {"v12": AGES, "sex": draws(["m", "w"])},
    "age alone": {"patient_age": AGES},
    "age in Dutch": {"Leeftijd": AGES},
    "year": {"année": draws([str(y) for y in range(1995, 2024)])},
    "score": {"Punktzahl": draws([str(v) for v in range(11)])},
    "score of unknown name": {"wynik": draws([str(v) for v in range(11)])},
    "small numbers": {"n": draws([str(v) for v in range(1, 6)])},
    "hospital": {"ville": draws(["Lyon", "Brest", "Lille", "Metz", "Nice", "Dijon", "Tours", "Caen"])},
    "hospital of unknown name": {"kde": draws(["Praha", "Brno", "Plzen", "Zlin", "Opava"])},
    "place on the body": {"wo": draws(["arm", "leg", "back", "scalp", "neck", "foot", "hand", "ear"], spread=0.6)},
    "scanner": {"scanner": draws(["GE Optima 450", "Skyra", "Prisma", "Aera", "Ingenia", "Achieva 3.0"])},
    "units": {"Dicke": draws([f"{v} mm" for v in range(1, 12)])},
    "decimals": {"BMI": draws([f"{v / 4:.2f}" for v in range(72, 120)])},
    "dates of scans": {"Datum": draws([f"2021-{m:02d}-{d:02d}" for m in range(1, 8) for d in range(1, 20, 2)])},
    "dates of unknown name": {"kdy": draws([f"{d:02d}.{m:02d}.2021" for m in range(1, 8) for d in range(1, 20, 3)])},
    "places of tiles": {"ox": draws([str(224 * k) for k in range(20)]), "oy": draws([str(224 * k) for k in range(20)])},
    "boxes": {k: draws([str(v) for v in range(0, 300, 7)], seed=i) for i, k in enumerate(("xmin", "ymin", "w", "h"))},
    "comments": {"info": draws(["", "", "", "blurred at the left side", "taken anew by somebody on Monday"])},
    "lists": {"befunde": draws(["a|b", "a", "b", "b|c", "a|c", "c", "a|b|c"])},
    "answers": {c: draws(["0", "1"], seed=i) for i, c in enumerate(("smoker", "diabetes", "hta", "q7"))},
    "slices in order": {"nr": [str(i % 40) for i in range(240)]},
    "splits": {"jeu": draws(["train", "val", "test"])},
    "stages": {"pT": draws(["T1a", "T1b", "T2", "T3", "T4"])},
    "widths": {"largeur": draws([str(v) for v in range(1000, 1060)])},
    "drugs": {"treatment": draws([f"drug {c}" for c in "abcdefgh"]), "dose": draws(["0", "1", "3", "10", "30"])},
}


@pytest.mark.parametrize("name", ORDINARY)
def test_what_is_no_id_is_not_named(name: str) -> None:
    assert named(ORDINARY[name], draws(["benign", "malignant"], seed=9)) == []


@pytest.mark.parametrize("seed", range(6))
def test_one_image_a_patient_has_no_groups(seed: int) -> None:
    assert named(*nobody(seed)) == []


def of_images(values: list[str], n: int, seed: int, *, spread: float = 0.3) -> list[str]:
    return draws(values, n, seed, spread=spread)


def of_patients(patient: np.ndarray, values: list[str], seed: int, *, spread: float = 0.0) -> list[str]:
    each = draws(values, int(patient.max()) + 1, seed, spread=spread)
    return [each[p] for p in patient]


def years(patient: np.ndarray, seed: int, low: int = 18, high: int = 90) -> list[str]:
    drawn = np.random.default_rng([seed, 4]).normal((low + high) / 2, (high - low) / 5, int(patient.max()) + 1)
    return [str(int(np.clip(drawn[p], low, high))) for p in patient]


def ham10000(seed: int) -> tuple[Table, list[str]]:
    """Lesions with one to six dermatoscopic images; age by steps of 5."""
    lesion = rows(seed, least=1, most=4, patients=300)
    n = len(lesion)
    places = [
        "back",
        "lower extremity",
        "trunk",
        "upper extremity",
        "abdomen",
        "face",
        "chest",
        "foot",
        "neck",
        "scalp",
    ]
    table = {
        "Stelle": [f"HAM_{7 * p:07d}" for p in lesion],
        "image_id": [f"ISIC_{24306 + i:07d}" for i in range(n)],
        "dx_type": of_patients(lesion, ["histo", "follow_up", "consensus", "confocal"], seed),
        "age": [f"{5 * (int(a) // 5)}.0" for a in years(lesion, seed)],
        "sex": of_patients(lesion, ["male", "female", "unknown"], seed, spread=0.9),
        "localization": of_patients(lesion, places, seed, spread=0.3),
        "dataset": of_patients(lesion, ["vidir_modern", "rosendahl", "vidir_molemax", "vienna_dias"], seed),
    }
    return table, of_patients(lesion, ["nv", "mel", "bkl", "bcc", "akiec", "vasc", "df"], seed, spread=0.7)


def nih(seed: int) -> tuple[Table, list[str]]:
    """Chest X-rays: few patients have most of the images; visits are counted anew."""
    rng = np.random.default_rng(seed)
    patient = np.repeat(np.arange(150), np.minimum(rng.geometric(0.25, 150), 60))
    visit = np.concatenate([np.arange(n) for n in np.bincount(patient)])
    n = len(patient)
    table = {
        "Follow-up #": [str(v) for v in visit],
        "Wer": [str(p + 1) for p in patient],
        "Patient Age": [str(int(a) + int(v) // 3) for a, v in zip(years(patient, seed), visit, strict=True)],
        "Patient Gender": of_patients(patient, ["M", "F"], seed),
        "View Position": of_images(["PA", "AP"], n, seed),
        "OriginalImage[Width": of_images([str(v) for v in (2992, 2500, 2048, 2021, 1994, 2542)], n, seed),
        "Height]": of_images([str(v) for v in (2991, 2048, 2500, 2020, 1995, 2546)], n, seed + 1),
        "OriginalImagePixelSpacing[x": of_images(["0.143", "0.168", "0.194311"], n, seed),
    }
    return table, of_images(["No Finding", "Infiltration", "Effusion", "Mass"], n, seed, spread=0.6)


def plco(seed: int) -> tuple[Table, list[str]]:
    """A screening trial: visits by year, a centre, an age of 55 to 74."""
    patient = rows(seed, least=1, most=4, patients=260)
    visit = np.concatenate([np.arange(n) for n in np.bincount(patient)])
    table = {
        "plco": [f"A-{100_003 + 611 * p}" for p in patient],
        "xry_year": [str(v) for v in visit],
        "age": years(patient, seed, 55, 74),
        "center": of_patients(patient, [str(c) for c in range(1, 11)], seed),
        "race7": of_patients(patient, [str(c) for c in range(1, 8)], seed, spread=1.2),
        "cig_stat": of_patients(patient, ["0", "1", "2"], seed),
        "pack_years": of_patients(patient, [str(v) for v in range(60)], seed, spread=0.05),
    }
    return table, of_patients(patient, ["0", "1"], seed, spread=2)


def breakhis(seed: int) -> tuple[Table, list[str]]:
    """Slides of breast tumours at four magnifications, with many fields each."""
    slide = rows(seed, least=24, most=60, patients=24)
    n = len(slide)
    table = {
        "code": [f"14-{1000 + 831 * s % 9000}" for s in slide],
        "vergr": of_images(["40x", "100x", "200x", "400x"], n, seed, spread=0),
        "subtype": of_patients(slide, ["adenosis", "fibroadenoma", "ductal", "lobular"], seed),
        "seq": [f"{k:03d}" for k in np.concatenate([np.arange(c) for c in np.bincount(slide)])],
    }
    return table, of_patients(slide, ["benign", "malignant"], seed)


def cellprofiler(seed: int) -> tuple[Table, list[str]]:
    """Fields of wells; what is measured of each image, and a drug for each well."""
    well = np.repeat(np.arange(60), 6)
    n = len(well)
    rng = np.random.default_rng(seed)
    table = {
        "ImageNumber": [str(i + 1) for i in range(n)],
        "Image_Metadata_Pos": [f"{'ABCDEF'[w // 10]}{w % 10 + 1:02d}" for w in well],
        "Image_Metadata_Site": [str(i % 6 + 1) for i in range(n)],
        "Image_Count_Cells": [str(v) for v in rng.poisson(60, n)],
        "Image_Intensity_MeanIntensity_DNA": [f"{v:.6f}" for v in rng.random(n)],
        "Image_Metadata_Compound": of_patients(well, [f"drug {c}" for c in "abcdefghijkl"], seed),
        "Image_Width_DNA": ["1080"] * n,
    }
    return table, of_patients(well, ["actin", "tubulin", "none"], seed)


def omero(seed: int) -> tuple[Table, list[str]]:
    """An export: numbers of the server for projects, data sets and images."""
    animal = rows(seed, least=3, most=12, patients=25)
    n = len(animal)
    table = {
        "Image ID": [str(901_234 + 3 * i) for i in range(n)],
        "Dataset": [f"{551 + a}" for a in animal],
        "Project": [f"{70 + a % 2}" for a in animal],
        "sizeX": of_images(["1024", "2048"], n, seed),
        "objectif": of_images(["20x", "40x", "63x"], n, seed),
        "jour": of_patients(animal, ["2023-03-01", "2023-03-08", "2023-03-15", "2023-03-22"], seed),
    }
    return table, of_patients(animal, ["KO", "WT"], seed)


@pytest.mark.parametrize(
    ("make", "ids"),
    [
        (ham10000, {"Stelle"}),
        (nih, {"Wer"}),
        (plco, {"plco", "center"}),  # a centre is named for its word
        (breakhis, {"code"}),
        (cellprofiler, {"Image_Metadata_Pos", "Image_Metadata_Site"}),
        (omero, {"Dataset"}),
    ],
)
@pytest.mark.parametrize("seed", range(3))
def test_tables_of_known_kinds(make: Callable[[int], tuple[Table, list[str]]], ids: set[str], seed: int) -> None:
    table, labels = make(seed)
    for found, said in ((table, labels), shuffled(table, labels, seed)):
        assert set(named(found, said)) == ids
