"""What the headers of DICOM files say of what belongs together, and what they no longer say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from lamelle.data.groups.candidate import Candidate
from lamelle.data.groups.spec import Spec
from lamelle.io.dicom_identity import LEVELS, belongs_to
from lamelle.io.files import may_be_dicom
from lamelle.types import Problem, Record


def by_header(records: Sequence[Record]) -> Iterator[Candidate]:
    """The patient, study or series of DICOM files: the first of them that parts the images.

    Where only some files are DICOM, each of the others is a group of its own; one patient or study alone may be the
    name that an archive gives to all, and is only named.
    """
    of_file = {p: belongs_to(p) for p in dict.fromkeys(r.image.path for r in records) if may_be_dicom(p)}
    if not any(of_file.values()):
        return
    alone: Candidate | None = None
    for rank, level in enumerate(LEVELS):
        values = tuple(of_file.get(r.image.path, {}).get(level) for r in records)
        stated = [v for v in values if v]
        if len(stated) == len(values) and len(set(stated)) > 1:
            candidate = Candidate(Spec("dicom", level), values, sure=True, rank=rank)
            yield replace(candidate, sure=rank == 0 or not candidate.alone)
            return
        if len(stated) < len(values) and len(set(stated)) < len(stated):
            candidate = Candidate(Spec("dicom", level), values, sure=len(set(stated)) > 1, rank=rank)
            if candidate.sure:
                yield candidate
                return
            alone = alone or candidate
    if alone:
        yield alone


def no_patient(candidate: Candidate) -> list[Problem]:
    """A warning where headers say a study or series but the patient of none, or one for all: that has been removed."""
    if candidate.spec.kind != "dicom" or candidate.spec.value == next(iter(LEVELS)):
        return []
    code = "groups.no_patient_alone" if candidate.alone else "groups.no_patient"
    return [Problem(code, "", "warning", {"key": candidate.spec.key, "n": len(candidate.groups)})]
