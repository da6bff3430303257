"""What the doctor says about a Run, on its page."""

from __future__ import annotations

from lamelle.doctor.diagnosis import Diagnosis, diagnose
from lamelle.errors import RequestError
from lamelle.reports.blocks import Block, Box, Heading
from lamelle.runs.bundle import RunBundle


def draw(bundle: RunBundle) -> list[Block]:
    """Its findings, for each fold where there are folds; nothing while no epoch has ended."""
    trainings = diagnoses(bundle)
    blocks: list[Block] = []
    for one in trainings if any(one.findings for one in trainings) else ():
        blocks += [Heading(one.name)] if len(trainings) > 1 else []
        blocks += [
            Box(t.verdict, f"{t.severity} told-{t.code}", lines=[t.evidence, f"→ {t.next}"], command=t.command)
            for t in one.findings
        ]
    return blocks


def diagnoses(bundle: RunBundle) -> list[Diagnosis]:
    """What was found of the training, or of each fold; nothing while no epoch has ended."""
    try:
        return diagnose(bundle)
    except RequestError:
        return []


def turned(trainings: list[Diagnosis]) -> int | None:
    """The epoch from which a training overfitted, if it did."""
    return next((t.epoch for one in trainings for t in one.findings if t.code == "overfitting"), None)
