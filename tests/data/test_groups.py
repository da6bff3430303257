"""What belongs together is found in columns, headers, folders and file names, and nothing else is taken for it."""

import re
import shlex
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamelle.data.groups.decide import grouped
from lamelle.data.groups.names import patterns
from lamelle.data.groups.spec import Spec, parse
from lamelle.errors import RequestError, sentence
from lamelle.runs import layers
from lamelle.runs.plan import read_data
from lamelle.types import ClassNames, Index, LabelImage, Problem, Record, Source

ROOT = Path("/data")
INITIALS = ["MUE", "SCH", "BAU", "KLE", "WOL", "NEU", "KG"]
TISSUES = ["adipose", "debris", "lympho", "mucus", "muscle", "stroma", "tumor"]
SURNAMES = ["Müller", "Bauer", "Klein", "Wolff", "Neumann", "Nguyen", "Lefèvre"]


def index_of(paths: list[str], *, classes: str = "", columns: Mapping[str, list[str]] | None = None) -> Index:
    """Records of files; the class of the i-th is the i-th letter of ``classes``, over and over."""
    records = tuple(
        Record(
            path,
            Source(ROOT / path),
            ClassNames((classes[i % len(classes)],)) if classes else LabelImage(Source(ROOT / "masks" / path)),
            stratum=classes[i % len(classes)] if classes else None,
            columns={name: cells[i % len(cells)] for name, cells in (columns or {}).items()},
        )
        for i, path in enumerate(paths)
    )
    return Index(ROOT, "any", records)


def said(index: Index, kind: str) -> list[Problem]:
    return [p for p in index.problems if p.code.startswith(f"groups.{kind}")]


def together(index: Index) -> list[set[str]]:
    """The records of each group."""
    names = dict.fromkeys(r.group for r in index.records)
    return [{r.id for r in index.records if r.group == name} for name in names]


FLAT = [f"i{i:03d}.png" for i in range(36)]


# columns


@pytest.mark.parametrize("asked", ["Mouse_ID", "mouse id", "MOUSEID", "mouseId"])
def test_a_column_is_asked_for_in_whatever_spelling(asked: str) -> None:
    index = index_of(FLAT, classes="ab", columns={"Mouse_ID": [f"X{i // 3}" for i in range(36)]})
    found = grouped(index, asked)
    assert len(together(found)) == 12
    assert said(found, "taken_column")[0].values["value"] == "Mouse_ID"
    with pytest.raises(RequestError, match="Mouse_ID"):
        grouped(index, "cage")


@pytest.mark.parametrize("column", ["patient", "PatientID", "Mouse ID", "lesion_id", "numéro de lame", "souris", "MRN"])
@pytest.mark.parametrize("classes", ["ab", ""])
def test_a_column_of_groups_is_taken_and_said(column: str, classes: str) -> None:
    found = grouped(index_of(FLAT, classes=classes, columns={column: [f"X{i // 3}" for i in range(36)]}), None)
    assert [r.group for r in found.records] == [f"X{i // 3}" for i in range(36)]
    (problem,) = said(found, "")
    assert (problem.code, problem.severity, problem.values["value"]) == ("groups.taken_column", "note", column)


@pytest.mark.parametrize("column", ["group", "Sample ID", "batch", "site"])
def test_a_column_that_may_be_one_is_named_with_what_to_paste(column: str) -> None:
    found = grouped(index_of(FLAT, classes="ab", columns={column: [f"X{i // 3}" for i in range(36)]}), None)
    assert {r.group for r in found.records} == {None}
    (problem,) = said(found, "")
    assert (problem.code, problem.severity) == ("groups.maybe_column", "warning")
    (pasted,) = shlex.split(str(problem.values["key"]))
    again = grouped(index_of(FLAT, classes="ab", columns={column: [f"X{i // 3}" for i in range(36)]}), value_of(pasted))
    assert len(together(again)) == 12


def value_of(pasted: str) -> str:
    """What the program makes of an argument."""
    return layers.parse_overrides([pasted])["data"]["group"]


@pytest.mark.parametrize(
    ("column", "cells"),
    [
        ("volume", ["1.5", "2.25", "1.5", "7.0"]),  # millilitres
        ("eye", ["OD", "OS"]),
        ("case", ["0", "1"]),
        ("study", ["A"]),
        ("group", ["control", "treated"]),
        ("age", ["40", "41", "42", "40"]),
        ("lesion", ["a", "b"]),
        ("tumour", ["a", "b", "c", "d"]),
    ],
)
def test_a_column_of_something_else_is_no_group(column: str, cells: list[str]) -> None:
    """A measure, a side, one for all, or the class itself."""
    found = grouped(index_of(FLAT, classes="abcd", columns={column: cells}), None)
    assert {r.group for r in found.records} == {None}
    assert said(found, "") == []


def test_what_holds_more_goes_first() -> None:
    columns = {
        "lesion_id": [f"L{i // 2}" for i in range(36)],
        "patient_id": [f"P{i // 6}" for i in range(36)],
        "slide": [f"S{i // 3}" for i in range(36)],
    }
    found = grouped(index_of(FLAT, classes="ab", columns=columns), None)
    assert [p.values["value"] for p in said(found, "taken")] == ["patient_id"]


def test_an_image_without_a_patient_is_a_group_of_its_own_and_said() -> None:
    found = grouped(index_of(FLAT, classes="ab", columns={"patient": [*"ppqqrr", "NA", ""]}), None)
    assert found.records[6].group == FLAT[6]
    assert [(p.code, p.values["count"]) for p in said(found, "blank")] == [("groups.blank", 8)]


# folders

PATIENTS = [
    ("Patient {p:02d}/images/image{k}.tif", "folder:1"),
    ("Patient_{p:02d}/image{k}.tif", "folder:1"),
    ("images/souris_{p}/{k}.png", "folder:2"),
    ("train/case-{p}/a/{k}.png", "folder:2"),
    ("x/y/sub-{p:03d}/anat/{k}.nii.gz", "folder:3"),
    ("d/Lame n°{p}/{k}.png", "folder:2"),
    ("TCGA-02-{p:04d}-01Z/{k}.png", "folder:1"),
    ("sample_{letter}/{k}.tif", "folder:1"),
]


@pytest.mark.parametrize(("pattern", "key"), PATIENTS)
def test_a_folder_of_one_patient_is_a_group_wherever_it_stands(pattern: str, key: str) -> None:
    paths = [pattern.format(p=p, k=k, letter="abcdefg"[p]) for p in range(5) for k in range(3)]
    found = grouped(index_of(paths), None)
    assert sorted(map(len, together(found))) == [3] * 5
    (problem,) = said(found, "")
    assert (problem.code, str(problem.values["key"])) == ("groups.taken_folder", f"data.group={key}")


def test_a_level_that_only_counts_from_the_image_up() -> None:
    paths = [f"{'x/' * (p % 3)}patient {p}/{k}.png" for p in range(6) for k in range(3)]
    found = grouped(index_of(paths, classes="ab"), None)
    assert sorted(map(len, together(found))) == [3] * 6
    assert [p.values["key"] for p in said(found, "taken")] == ["data.group=folder:-1"]


def test_patients_at_levels_of_their_own() -> None:
    paths = [f"{'x/' * (p % 3)}patient {p}/{'y/' * (p % 2)}{k}.png" for p in range(6) for k in range(3)]
    found = grouped(index_of(paths, classes="ab"), None)
    assert sorted(map(len, together(found))) == [3] * 6
    assert [p.values["key"] for p in said(found, "taken")] == ["data.group=folder:named"]
    assert together(grouped(index_of(paths, classes="ab"), "folder:named")) == together(found)


def test_patients_below_classes_are_groups_and_no_strata() -> None:
    paths = [f"{('Healthy', 'Tumour')[p % 2]}/patient_{p}/{k}.png" for p in range(8) for k in range(3)]
    records = tuple(Record(p, Source(ROOT / p), ClassNames((p.split("/")[0],)), stratum=p.split("/")[0]) for p in paths)
    found = grouped(Index(ROOT, "class_folders", records), None)
    assert sorted(map(len, together(found))) == [3] * 8
    assert {r.stratum for r in found.records} == {"Healthy", "Tumour"}
    strata = tuple(Record(p, Source(ROOT / p), LabelImage(Source(ROOT / "m")), stratum=p.split("/")[1]) for p in paths)
    assert {r.stratum for r in grouped(Index(ROOT, "any", strata), None).records} == {None}


def test_patients_that_would_be_classes_are_an_error() -> None:
    paths = [f"Patient {p}/{k}.png" for p in range(4) for k in range(3)]
    records = tuple(Record(p, Source(ROOT / p), ClassNames((p.split("/")[0],))) for p in paths)
    found = grouped(Index(ROOT, "class_folders", records), None)
    assert [p.severity for p in said(found, "patients_as_classes")] == ["error"]


def test_folders_inside_classes_may_be_patients_whatever_their_names() -> None:
    paths = [f"{('ill', 'well')[p // 3]}/{name}/{k}.png" for p, name in enumerate(INITIALS[:6]) for k in range(4)]
    records = tuple(Record(p, Source(ROOT / p), ClassNames((p.split("/")[0],)), stratum=p.split("/")[0]) for p in paths)
    (problem,) = said(grouped(Index(ROOT, "class_folders", records), None), "")
    assert (problem.code, problem.values["key"]) == ("groups.maybe_folder", "data.group=folder:2")


@pytest.mark.parametrize(
    "pattern",
    [
        "{c}/{letter}/{p}.png",  # in both classes
        "{c}/images/{p}{k}.png",
        "{c}/{half} {c}/{p}{k}.png",  # two kinds of each
        "{c}/{letter}{c}{p}/{k}.png",  # one image each
        "{c}/{p}0x/{k}.png",  # magnifications
    ],
)
def test_folders_inside_classes_that_are_something_else(pattern: str) -> None:
    places = [(("ill", "well")[p // 3], p, k) for p in range(6) for k in range(4)]
    paths = [pattern.format(c=c, p=p, k=k, letter="abcd"[k], half=("early", "late")[p % 2]) for c, p, k in places]
    records = tuple(Record(p, Source(ROOT / p), ClassNames((p.split("/")[0],)), stratum=p.split("/")[0]) for p in paths)
    assert said(grouped(Index(ROOT, "class_folders", records), None), "maybe_folder") == []


@pytest.mark.parametrize("pattern", ["{p}043/images/{k}.png", "A/LIDC-IDRI-{p:04d}/{k}.png", "B{p}/{k}.png"])
def test_folders_with_ids_are_named_with_what_to_paste(pattern: str) -> None:
    paths = [pattern.format(p=p, k=k) for p in range(1, 6) for k in range(3)]
    (problem,) = said(grouped(index_of(paths), None), "")
    assert (problem.code, problem.severity) == ("groups.maybe_folder", "warning")
    again = grouped(index_of(paths), value_of(*shlex.split(str(problem.values["key"]))))
    assert sorted(map(len, together(again))) == [3] * 5


@pytest.mark.parametrize("called", [INITIALS, SURNAMES])
def test_folders_with_names_of_people_are_named(called: list[str]) -> None:
    paths = [f"{name}/images/{k}.png" for name in called for k in range(3)]
    (problem,) = said(grouped(index_of(paths), None), "")
    assert (problem.code, problem.values["key"]) == ("groups.maybe_folder", "data.group=folder:1")
    tissues = [f"{name}/images/{k}.png" for name in TISSUES for k in range(3)]
    assert said(grouped(index_of(tissues), None), "") == []


@pytest.mark.parametrize(
    "pattern",
    [
        "a{i}/images/a{i}.png",  # one folder per image
        "images/{i}.png",
        "{kind}/{i}.png",
        "grade {three}/{i}.png",
        "{three}0x/{i}.png",
        "2021-03-0{three}/{i}.png",
        "stage{three}/images/{i}.png",
        "tumor/{i}.png",
        "Patient 1/{i}.png",
    ],
)
def test_other_folders_are_no_groups(pattern: str) -> None:
    paths = [pattern.format(i=i, kind=("case", "control", "mouse")[i % 3], three=i % 3 + 1) for i in range(18)]
    found = grouped(index_of(paths), None)
    assert (said(found, ""), {r.group for r in found.records}) == ([], {None})


# file names

SURE = [
    "P{p}_z{k:03d}.tif",
    "{p}043_idx5_x{k}01_y951_class{c}.png",
    "TCGA-02-{p:04d}-01Z-00-DX1_{k}.png",
    "TCGA_CS_{p}941_19960909_{k}.tif",
    "patient{p}_slice{k}.png",
    "Mouse-{p:02d} {k}.tif",
    "person{p}_bacteria_{k}.jpeg",
    "souris{p}-{k}.png",
    "lésion_{p}_{k}.jpg",
    "sub-{p:02d}_ses-{k}_T1w.nii.gz",
    "vue{k}_cas_{p}.png",
    "img_{p}_tile_{k}.png",
    "well_B{p:02d}_field{k}.tif",
    "volume {p} coupe {k}.png",
    "case A{p}.{k}.png",
    "{l}1{p}-Schnitt{k}.tif",
    "A{p}-Tile_{k}.png",
    "r0{p}c02f0{k}p01-ch1sk1fk1fl1.tiff",
    "Exp3_r0{p}c02f0{k}p01-ch1sk1fk1fl1.tiff",
    "B0{p}F{k}W1.tif",
]
MAYBE = [
    "{p}58_90000{k}.png",
    "0000{p}017_00{k}.png",
    "CNV-{p}016042-{k}.jpeg",
    "SOB_B_A-14-{p}2549AB-40-00{k}.png",
    "img_{p}_{k}.png",
    "ctrl_{p}_{k}.png",
    "A{p} {k}.png",
    "{p}043{letter}.png",
    "A{p}.{k}.png",
    "{l}1{p}-R{k}.tif",
    "{initials}_{k}.png",
    "{initials}{k}.png",
    "HE_{initials}-{k}.png",
    "scan {surname} {k}.png",
    "S{p}-A-{k}2.png",
]
NONE = [
    "img_{n:04d}.png",
    "{n:05d}.png",
    "slice_{n:03d}.png",
    "a{n}.png",
    "{kind}_{n}.png",
    "COVID-{n}.png",
    "Viral Pneumonia-{n}.png",
    "benign ({n}).png",
    "20210301_{n:03d}.png",
    "2021-03-0{p} {n}.png",
    "IMG-2021030{p}-WA{n:04d}.jpg",
    "IMG_2021030{p}_1011{n}.jpg",
    "ISIC_{n:07d}_downsampled.jpg",
    "MCUCXR_{n:04d}_0.png",
    "4{p}x_{n}.png",
    "kidney_mr_{n}.png",
    "day{p}_{n}.tif",
    "{hash:032x}.png",
    "image.png",
    "BloodImage_{n:05d}.jpg",
    "fold{p}_{n}.png",
    "train_{n}.png",
    "patient_{n}.png",
    "DSC{n:04d}.png",
    "{tissue}_{n}.png",
    "{tissue}{n}.png",
]


def file_names(pattern: str) -> list[str]:
    values = [(p, k) for p in range(1, 8) for k in range(3)]
    return [
        pattern.format(
            p=p,
            k=k,
            n=3 * p + k,
            c=k % 2,
            kind=("cat", "dog", "eel")[k],
            hash=p * 7**40 + k,
            letter="abc"[k],
            l="_ABCDEFG"[p],
            initials=INITIALS[p % 7],
            surname=SURNAMES[p % 7],
            tissue=TISSUES[p % 7],
        )
        for p, k in values
    ]


@pytest.mark.parametrize("pattern", SURE)
def test_names_that_tell_the_group(pattern: str) -> None:
    found = grouped(index_of(file_names(pattern), classes="ab"), None)
    assert sorted(map(len, together(found))) == [3] * 7
    (problem,) = said(found, "")
    assert problem.code == "groups.taken_name"
    again = grouped(index_of(file_names(pattern), classes="ab"), value_of(*shlex.split(str(problem.values["key"]))))
    assert together(again) == together(found)


@pytest.mark.parametrize("pattern", MAYBE)
def test_names_that_may_tell_it(pattern: str) -> None:
    found = grouped(index_of(file_names(pattern), classes="ab"), None)
    assert {r.group for r in found.records} == {None}
    (problem,) = said(found, "")
    assert (problem.code, problem.severity, problem.values["n"]) == ("groups.maybe_name", "warning", 7)
    again = grouped(index_of(file_names(pattern), classes="ab"), value_of(*shlex.split(str(problem.values["key"]))))
    assert sorted(map(len, together(again))) == [3] * 7


@pytest.mark.parametrize("pattern", NONE)
def test_names_that_tell_nothing(pattern: str) -> None:
    found = grouped(index_of(file_names(pattern), classes="ab"), None)
    assert (said(found, ""), {r.group for r in found.records}) == ([], {None})


def test_a_beginning_that_is_the_class_is_no_group() -> None:
    names = [f"{c}{c}{n}_{k}.png" for c in "abc" for n in [1] for k in range(9)]
    assert patterns(names, [n[0] for n in names]) == []
    assert patterns(names, [""] * len(names)) != []


@given(
    st.integers(3, 9), st.integers(2, 5), st.sampled_from(["P", "s", "AB", ""]), st.sampled_from("_- "),
    st.integers(0, 99999),
)  # fmt: skip
def test_any_prefix_with_a_number_is_seen(groups: int, each: int, letter: str, sign: str, first: int) -> None:
    names = [f"{letter}{1000 + first + p}{sign}{7 * p + k}.png" for p in range(groups) for k in range(each)]
    found = grouped(index_of(names, classes="ab"), None)
    (problem,) = said(found, "maybe")
    assert problem.values["n"] == groups


@pytest.mark.parametrize(
    "pattern", ["{p}00OD.jpg {p}00OS.jpg", "{p}_left_1.png {p}_right_1.png", "a{p}links.png a{p}Rechts.png"]
)
def test_two_sides_are_of_one_person(pattern: str) -> None:
    found = grouped(index_of([n for p in range(1, 9) for n in pattern.format(p=p).split()], classes="aab"), None)
    assert sorted(map(len, together(found))) == [2] * 8


# numbers that start anew


def test_slides_counted_anew_in_each_mouse_are_no_group() -> None:
    """Slide 1 of every mouse would be one group, and each mouse would lie in training and test."""
    names = [f"KO_m{m}_slide{s}_x20.tif" for m in range(8) for s in range(4)]
    (problem,) = said(grouped(index_of(names, classes="ab"), None), "")
    assert (problem.code, problem.values["n"]) == ("groups.maybe_name", 8)
    left = grouped(index_of([n.replace("_slide", "_left_slide") for n in names], classes="ab"), None)
    assert sorted(map(len, together(left))) == [4] * 8


@pytest.mark.parametrize(("slide", "groups"), [("{s}", "maybe"), ("{n}", "taken"), ("M{m}-{s}", "taken")])
def test_a_column_of_slides_is_a_group_unless_it_counts_anew(slide: str, groups: str) -> None:
    columns = {
        "slide": [slide.format(m=m, s=1 + s // 2, n=3 * m + s // 2) for m in range(6) for s in range(6)],
        "Ref": [f"R10{m}" for m in range(6) for _ in range(6)],
    }
    problems = said(grouped(index_of(FLAT, classes="ab", columns=columns), None), groups)
    assert [p.values["value"] for p in problems if p.code != "groups.blank"][:1] == (
        ["Ref"] if groups == "maybe" else ["slide"]
    )


def test_wells_lie_in_plates() -> None:
    columns = {
        "Metadata_Well": [f"{w}01" for _ in range(3) for w in "ABC" for _ in range(4)],
        "Metadata_Plate": [f"Plate{p}" for p in range(3) for _ in range(12)],
        "Metadata_Site": [str(s) for _ in range(9) for s in range(4)],
    }
    (problem,) = said(grouped(index_of(FLAT, classes="ab", columns=columns), None), "")
    assert (problem.code, problem.values["value"]) == ("groups.taken_column", "Metadata_Plate")


# asked for


def test_nothing_is_looked_for_where_there_is_to_be_no_group() -> None:
    found = grouped(index_of(file_names(SURE[0]), classes="ab"), "none")
    assert ({r.group for r in found.records}, said(found, "")) == ({None}, [])


def test_a_named_group_of_an_expression() -> None:
    found = grouped(index_of(["x_p1_a.png", "y_p1_b.png", "x_p2_a.png"], classes="ab"), "name:(?:x|y)_(?P<who>p[0-9])")
    assert [r.group for r in found.records] == ["p1", "p1", "p2"]


def test_images_that_match_nothing_can_be_groups_of_their_own() -> None:
    found = grouped(index_of(["1_a.png", "1_b.png", "loose.png"]), "name:^([0-9]+)_|^(.+)$")
    assert [r.group for r in found.records] == ["1", "1", "loose.png"]


WRONG = [
    ("name:(", "regular expression.*name:"),
    ("folder:0", "numbered 1, 2"),
    ("folder:x", "numbered 1, 2"),
    ("folder:3", r"3 of 3 images.*p1"),
    ("folder:-2", r"-1 for the one that holds the image"),
    ("name:^q", r"nothing in 3 of 3 file names \(a.png"),
    ("dicom:name", "dicom:patient, dicom:study, dicom:series"),
    ("dicom:patient", "3 of 3 images have no DICOM header"),
    ("who", "no such column.*patient"),
]


@pytest.mark.parametrize(("given", "words"), WRONG)
@pytest.mark.parametrize("language", ["en", "fr"])
def test_what_is_not_there_is_said(given: str, words: str, language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMELLE_LANG", language)
    index = index_of([f"p{k}/{'abc'[k]}.png" for k in range(3)], columns={"patient": ["1"]})
    with pytest.raises(RequestError, match=words if language == "en" else None):
        grouped(index, given)


@given(st.text(min_size=1, max_size=12).filter(lambda s: parse_kind(s) == "column"))
def test_any_column_can_be_pasted(column: str) -> None:
    if not column.isprintable() or column != column.strip():
        return
    (pasted,) = shlex.split(Spec("column", column).key)
    assert value_of(pasted) == column


def parse_kind(text: str) -> str:
    try:
        return parse(text).kind
    except RequestError:
        return ""


# headers


def dicom(path: Path, **tags: str) -> None:
    pydicom = pytest.importorskip("pydicom")
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    data = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    data.Rows = data.Columns = 8
    data.SamplesPerPixel, data.PhotometricInterpretation, data.PixelRepresentation = 1, "MONOCHROME2", 0
    data.BitsAllocated, data.BitsStored, data.HighBit = 8, 8, 7
    data.PixelData = np.arange(64, dtype=np.uint8).tobytes()
    for tag, value in tags.items():
        setattr(data, tag, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    pydicom.dcmwrite(path, data, enforce_file_format=True)


@pytest.mark.parametrize("suffix", [".dcm", ""])
def test_the_patient_of_a_header_is_a_group_and_never_printed(tmp_path: Path, suffix: str) -> None:
    for p in range(4):
        for k in range(3):
            place = tmp_path / "ab"[p % 2] / f"{p * 3 + k}{suffix or '.dcm'}"
            dicom(place, PatientID=f"SECRET{p}", PatientName="Dupont^Jeanne", StudyInstanceUID=f"1.2.{p}.{k}")
    found = read_data(tmp_path, {})
    assert sorted(map(len, together(found))) == [3] * 4
    (problem,) = said(found, "")
    assert (problem.code, problem.values["key"]) == ("groups.taken_dicom", "data.group=dicom:patient")
    assert "SECRET" not in repr(found)
    assert "SECRET" not in sentence(problem)
    assert [r.group for r in read_data(tmp_path, {"data": {"group": "dicom:patient"}}).records] == [
        r.group for r in found.records
    ]
    assert len({r.group for r in read_data(tmp_path, {"data": {"group": "dicom:study"}}).records}) == 12


def mixed(root: Path, patients: list[str], pictures: int) -> Index:
    """DICOM files of some patients beside pictures of nobody knows whom."""
    from PIL import Image

    for i, patient in enumerate(patients):
        (root / "ab"[i % 2]).mkdir(exist_ok=True)
        dicom(root / "ab"[i % 2] / f"scan{i}.dcm", PatientID=patient, StudyInstanceUID="1.2.3")
    for i in range(pictures):
        Image.new("L", (8, 8), i).save(root / "ab"[i % 2] / f"photo{'xyzuvwst'[i]}.png")
    return read_data(root, {})


def test_patients_of_dicom_headers_count_beside_pictures(tmp_path: Path) -> None:
    found = mixed(tmp_path, [f"SECRET{i // 4}" for i in range(12)], 4)
    assert [p.code for p in said(found, "")] == ["groups.taken_dicom", "groups.blank_header"]
    assert sorted(map(len, together(found))) == [1, 1, 1, 1, 4, 4, 4]
    lacking = said(found, "blank_header")[0]
    assert (lacking.severity, lacking.values["count"], lacking.values["images"]) == ("warning", 4, 16)
    assert "photox.png" in str(lacking.values["first"])
    assert "SECRET" not in "".join(map(sentence, found.problems))
    asked = read_data(tmp_path, {"data": {"group": "dicom:patient"}})
    assert [r.group for r in asked.records] == [r.group for r in found.records]


def test_one_patient_beside_pictures_is_only_named(tmp_path: Path) -> None:
    found = mixed(tmp_path, ["ANONYMOUS"] * 6, 6)
    (problem,) = said(found, "")
    assert (problem.code, problem.values["key"]) == ("groups.maybe_dicom", "data.group=dicom:patient")
    assert all(r.group is None for r in found.records)


def test_what_holds_for_all_images_goes_before_headers_of_some(tmp_path: Path) -> None:
    from PIL import Image

    for p in range(3):
        for name in ("a", "b"):
            (tmp_path / name / f"patient {p}").mkdir(parents=True)
            dicom(tmp_path / name / f"patient {p}" / "x.dcm", PatientID=f"S{p}")
            Image.new("L", (8, 8), p).save(tmp_path / name / f"patient {p}" / "y.png")
    assert [p.code for p in said(read_data(tmp_path, {}), "")] == ["groups.taken_folder"]


def test_one_patient_for_all_gives_way_to_the_study(tmp_path: Path) -> None:
    for p in range(8):
        dicom(tmp_path / "ab"[p % 2] / f"{p}.dcm", PatientID="ANONYMOUS", StudyInstanceUID=f"1.2.{p // 2}")
    found = read_data(tmp_path, {})
    assert [p.values["key"] for p in said(found, "taken")] == ["data.group=dicom:study"]
    assert [p.code for p in said(found, "no_patient")] == ["groups.no_patient"]
    assert said(read_data(tmp_path, {"data": {"group": "dicom:study"}}), "no_patient") == []
    assert len(together(found)) == 4


def test_studies_of_one_image_each_are_no_sure_group_where_the_patient_is_hidden(tmp_path: Path) -> None:
    for p in range(6):
        dicom(tmp_path / "ab"[p % 2] / f"{p}.dcm", PatientID="X", StudyInstanceUID=f"1.3.{p}")
    found = read_data(tmp_path, {})
    assert [p.code for p in said(found, "")] == ["groups.no_patient_alone"]
    assert {r.group for r in found.records} == {None}
    for p in range(6):
        dicom(tmp_path / "ab"[p % 2] / f"patient {p // 2}" / f"{p}.dcm", PatientID="X", StudyInstanceUID=f"1.3.{p}")
        (tmp_path / "ab"[p % 2] / f"{p}.dcm").unlink()
    assert [p.values["key"] for p in said(read_data(tmp_path, {}), "taken")] == ["data.group=folder:2"]


# in a whole folder


def test_a_name_with_a_pattern_in_class_folders(tmp_path: Path) -> None:
    for p in range(6):
        for k in range(3):
            path = tmp_path / ("benign", "malignant")[p % 2] / f"{5800 + 37 * p}_{900000 + 7 * p + k}.png"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(b"")
    (problem,) = said(read_data(tmp_path, {}), "")
    assert problem.values["key"] == "'data.group=name:^([0-9]+)_'"
    for language in ("en", "fr"):
        assert "5800_900000.png" in sentence(problem), language


def test_a_class_with_folders_of_patients_is_read_whole(tmp_path: Path) -> None:
    for p in range(6):
        for k in range(2):
            path = tmp_path / ("Healthy", "Tumour")[p % 2] / f"patient_{p}" / ("images" if p > 3 else "") / f"{k}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"")
    found = read_data(tmp_path, {})
    assert (found.layout, found.classes, len(found.records)) == ("class_folders", ("Healthy", "Tumour"), 12)
    assert sorted(map(len, together(found))) == [2] * 6
    assert not [p for p in found.problems if p.severity != "note"]


@pytest.mark.real
def test_real_data_have_the_groups_they_have_and_no_others(real_data: Path) -> None:
    known = {"histology": 108, "lungs": 37}
    for name in ("isbi2012", "vnc-sstem", "vnc-patches", "cxr-4class", "dsb2018/stage1_train", *known):
        found = read_data(real_data / name, {})
        assert len({r.group for r in found.records if r.group}) == known.get(name, 0), name
        taken = {"vnc-patches": ["groups.taken_slices"], **{key: ["groups.taken_column"] for key in known}}
        assert [p.code for p in said(found, "")] == taken.get(name, []), name


# spellings


@pytest.mark.parametrize("spellings", [("P{}", "p{}", "P0{}", "P{} "), ("{}", "{}.0"), ("Müller {}", "MULLER-{}")])
@pytest.mark.parametrize("asked", [None, "patient"])
def test_a_patient_in_several_spellings_is_one_and_that_is_said(spellings: tuple[str, ...], asked: str | None) -> None:
    cells = [spellings[i % len(spellings)].format(i // 4 + 1) for i in range(36)]
    found = grouped(index_of(FLAT, classes="ab", columns={"patient": cells}), asked)
    assert sorted(map(len, together(found))) == [4] * 9
    (problem,) = said(found, "one_spelling")
    assert (problem.severity, problem.values["count"]) == ("warning", 9)
    assert [p.values["n"] for p in said(found, "taken")] == [9]


@pytest.mark.parametrize("ids", ["P{0}", "P{0:03d}", "A3.{0}", "A-{0}-1", "{0}-10"])
def test_healthy_ids_stay_apart_and_nothing_is_said(ids: str) -> None:
    cells = [ids.format(i // 2 + 1) for i in range(36)]
    found = grouped(index_of(FLAT, classes="ab", columns={"patient": cells}), None)
    assert sorted(map(len, together(found))) == [2] * 18
    assert said(found, "one_spelling") == []


# columns of whatever name


@pytest.mark.parametrize(("column", "cell"), [("Ref", "R{}"), ("Tier-Nr.", "{}"), ("Code_anonyme", "HUG-{:04d}")])
def test_a_column_of_ids_is_named_whatever_it_is_called(column: str, cell: str) -> None:
    cells = [cell.format(100 + i // 4) for i in range(36)]
    (problem,) = said(grouped(index_of(FLAT, classes="ab", columns={column: cells}), None), "")
    assert (problem.code, problem.values["value"], problem.values["n"]) == ("groups.maybe_column", column, 9)
    assert problem.values["key"] == Spec("column", column).key


@pytest.mark.parametrize("column", ["Screening patient", "historia clínica", "Gewebeprobe", "patient_remark"])
def test_numbers_are_ids_where_the_name_has_a_word_for_a_group(column: str) -> None:
    ids = {column: [str(4000 + i // 3) for i in range(36)]}
    assert [p.code for p in said(grouped(index_of(FLAT, classes="ab", columns=ids), None), "")] == [
        "groups.maybe_column"
    ]
    alone = {column: [str(4000 + i) for i in range(36)]}
    assert said(grouped(index_of(FLAT, classes="ab", columns=alone), None), "") == []


@pytest.mark.parametrize("column", ["patient_weight", "remark", "animal birth date"])
def test_numbers_of_something_else_are_none(column: str) -> None:
    cells = {column: [str(4000 + i // 3) for i in range(36)]}
    assert said(grouped(index_of(FLAT, classes="ab", columns=cells), None), "") == []


def test_an_answer_is_not_two_patients() -> None:
    found = grouped(index_of(FLAT, classes="ab", columns={"PID": [*"001011"]}), None)
    assert [p.code for p in said(found, "")] == ["groups.maybe_column"]


@pytest.mark.parametrize("cell", ["{},5", "{} mm", "{}x", "day{}", "stage {}", "-{}"])
def test_a_column_of_measures_is_not_named(cell: str) -> None:
    cells = [cell.format(10 + i // 4 * (1 + i % 2)) for i in range(36)]
    assert said(grouped(index_of(FLAT, classes="ab", columns={"about": cells}), None), "") == []


@pytest.mark.parametrize("pattern", ["fold_{f}/{c}/{k}.png", "{c}/Pli {f}/{k}.png"])
def test_folders_called_folds_are_named(pattern: str) -> None:
    paths = [pattern.format(f=f, c=c, k=k) for f in range(1, 5) for c in "ab" for k in range(3)]
    records = tuple(
        Record(p, Source(ROOT / p), ClassNames((next(x for x in p.split("/") if x in "ab"),))) for p in paths
    )
    index = Index(ROOT, "class_folders", records)
    (problem,) = said(grouped(index, None), "")
    level = 1 + ("{c}/Pli" in pattern)
    told = ("groups.maybe_folds", 4, f"data.group=folder:{level}")
    assert (problem.code, problem.values["n"], problem.values["key"]) == told
    assert sorted(map(len, together(grouped(index, f"folder:{level}")))) == [6] * 4


# class and patient in one name


@pytest.mark.parametrize(
    ("folders", "severity"),
    [
        ("clear-03 clear-07 cloudy-01 cloudy-09 cloudy-10 clear-02", "error"),
        ("clear_1 clear_2 cloudy_1 cloudy_2", "warning"),
        ("clear 1 clear 2 cloudy", "warning"),
        ("clear1 clear2 cloudy3", "warning"),
        ("clear_tumor_1 clear_tumor_2 cloudy_tumor_1", "warning"),
    ],
)
def test_numbered_classes_are_named_and_the_key_makes_groups_of_them(folders: str, severity: str) -> None:
    labels = [f for f in re.split(" (?=c)", folders) for _ in range(3)]
    classes = ("clear_tumor", "cloudy_tumor") if "tumor" in folders else ("clear", "cloudy")
    index = of_class([f"{i}.png" for i in range(len(labels))], labels)
    (problem,) = said(grouped(index, None), "numbered_classes")
    assert (problem.severity, problem.values["classes"]) == (severity, ", ".join(classes))
    again = grouped(index, value_of(*shlex.split(str(problem.values["key"]))))
    assert (again.classes, {r.group for r in again.records}) == (classes, set(labels))
    assert {r.names for r in again.records} == {(c,) for c in classes}
    assert "error" not in {p.severity for p in again.problems}
    assert said(grouped(index, "none"), "numbered_classes") == []


@pytest.mark.parametrize(
    "folders",
    [
        "grade_1 grade_2 stage_1",
        "layer_1 layer_2 layer_3",
        "CD4 CD8 NK1 NK2",
        "0 1 2",
        "a_1 b_1",
        "patient_1 patient_2 x",
    ],
)
def test_numbers_of_grades_and_kinds_are_classes(folders: str) -> None:
    labels = [f for f in folders.split() for _ in range(3)]
    index = of_class([f"{i}.png" for i in range(len(labels))], labels)
    assert said(grouped(index, None), "numbered_classes") == []


# ends of names, and letters


def of_class(names: list[str], labels: list[str]) -> Index:
    places = [ROOT / label / name for name, label in zip(names, labels, strict=True)]
    records = tuple(Record(str(p), Source(p), ClassNames((label,))) for p, label in zip(places, labels, strict=True))
    return Index(ROOT, "class_folders", records)


AT_THE_END = [
    "img{k}_{p}907.png",
    "scan {k} {p}907.png",
    "vue-{k}-{p}907-HE.png",
    "{letter}_B{p}07.png",
    "{k}_{p}.jpg",
    "view{k}.{p}907.tif",
]


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("pattern", AT_THE_END)
def test_ids_at_the_end_of_names_are_named(pattern: str, mixed: bool) -> None:
    """The counter in front of them makes groups of which each has an image of every patient."""
    places = [(p, k) for p in range(1, 9) for k in range(3)]
    names = [pattern.format(p=p, k=k, letter="abc"[k]) for p, k in places]
    labels = [("ill", "well")[(k // 2 if mixed else p) % 2] for p, k in places]
    (problem,) = said(grouped(of_class(names, labels), None), "maybe_name")
    if mixed and pattern == "{k}_{p}.jpg":
        return  # 1_1, 1_2, 2_1: which is which nobody can tell
    again = grouped(of_class(names, labels), value_of(*shlex.split(str(problem.values["key"]))))
    assert sorted(map(len, together(again))) == [3] * 8


@pytest.mark.parametrize("pattern", ["{p}43_{k}00.png", "P{p}_{k}x.png", "{p}_{k}.png", "img_{p}0_512.png"])
def test_ids_in_front_stay_in_front(pattern: str) -> None:
    places = [(p, k) for p in range(1, 9) for k in range(1, 4)]
    names = dict.fromkeys(pattern.format(p=p, k=k) for p, k in places)
    labels = ["ab"[i // 3 % 2] for i in range(len(names))]
    for problem in said(grouped(of_class(list(names), labels), None), "maybe_name"):
        assert (problem.values["n"], str(problem.values["key"]).startswith("'data.group=name:^")) == (8, True)


@pytest.mark.parametrize(
    ("pattern", "letters", "groups"),
    [
        ("{x}{k:02d}.png", "KLMNOPQR", 8),
        ("{x}-{k}.png", "fghj", 4),
        ("{k}{x}.png", "KLMNOP", 6),
        ("{x}{k}.tif", "ab", 0),
    ],
)
def test_a_letter_may_be_an_animal(pattern: str, letters: str, groups: int) -> None:
    places = [(i, k) for i in range(len(letters)) for k in range(5)]
    names = [pattern.format(x=letters[i], k=k) for i, k in places]
    found = said(grouped(of_class(names, [("ko", "wt")[i % 2] for i, _ in places]), None), "")
    assert [p.values["n"] for p in found] == ([groups] if groups else [])


def test_numbers_of_the_images_of_each_class_are_no_ids() -> None:
    names, labels = (
        [f"{c} {150 + 7 * i}.png" for c in ("sick", "sound") for i in range(9)],
        ["sick"] * 9 + ["sound"] * 9,
    )
    assert said(grouped(of_class(names, labels), None), "") == []


@pytest.mark.parametrize("letters", ["ABCDEFGH", "BMN"])
def test_letters_of_plates_and_of_classes_are_no_animals(letters: str) -> None:
    names = [f"{x}{k}.png" for x in letters for k in range(1, 13)]
    assert said(grouped(of_class(names, ["x"] * len(names)), None), "") == []


# cells that are not known, and slices of nobody knows what


def of_column(name: str, cells: list[str]) -> Index:
    places = [int(c) if name == "slice" else None for c in cells]
    return Index(
        ROOT,
        "table",
        tuple(
            Record(
                f"{i}.png",
                Source(ROOT / f"{i}.png"),
                ClassNames(("ab"[i // 3 % 2],)),
                position=places[i],
                columns={name: c},
            )
            for i, c in enumerate(cells)
        ),
    )


@pytest.mark.parametrize(
    "word", ["Unknown", "?", "--", "n.d.", "keine Angabe", "Inconnue", "0000", "-1", "onbekend", "XXXX", "s/n", "9999"]
)
@pytest.mark.parametrize("asked", [None, "patient"])
def test_a_word_for_not_known_is_no_patient(word: str, asked: str | None) -> None:
    cells = [word if i % 3 == 0 else f"{510 + i // 6}" for i in range(36)]
    found = grouped(of_column("patient", cells), asked)
    (problem,) = said(found, "blank_words")
    assert (problem.values["count"], word in str(problem.values["words"])) == (12, True)
    assert len({r.group for r in found.records}) == 6 + 12


@pytest.mark.parametrize("ids", ["0 1 2 3", "997 998 999 1000", "A B X", "Sato None Ferri", "KA ND BO", "0 F1 F2"])
def test_ids_that_look_like_words_for_not_known_are_ids(ids: str) -> None:
    known = [i for i in ids.split() if i != "None"]
    found = grouped(of_column("patient", ids.split() * 4), None)
    assert {r.group for r in found.records}.issuperset(known)


def test_slices_whose_numbers_restart_are_of_volumes_that_nobody_names() -> None:
    found = grouped(of_column("slice", [str(i % 8) for i in range(40)]), None)
    assert [p.code for p in found.problems] == ["groups.slices_restart"]
    assert {(r.position, r.columns.get("volume")) for r in found.records} == {(None, None)}


def test_slices_that_restart_once_in_a_while_are_of_one_volume() -> None:
    one = grouped(of_column("slice", [str(i) for i in range(40)]), None)
    assert ([p.code for p in one.problems], one.records[9].position) == (["groups.taken_slices"], 9)
    assert {r.columns["volume"] for r in one.records} == {ROOT.name}
    few = grouped(of_column("slice", [str(i % 38) for i in range(40)]), None)
    assert [p.code for p in few.problems] == ["groups.taken_slices"]
    for drawn in ([str(i * 7 % 11) for i in range(60)], [str(i // 5) for i in range(60)]):
        patches = grouped(of_column("slice", drawn), None)
        assert ([p.code for p in patches.problems], patches.records[1].position) == (
            ["groups.taken_slices"],
            int(drawn[1]),
        )
