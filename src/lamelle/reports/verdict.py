"""What the doctor says about a Run, on its page."""

from __future__ import annotations

from typing import Any

from lamelle.doctor.diagnosis import diagnose
from lamelle.errors import RequestError
from lamelle.runs.bundle import RunBundle


def section(bundle: RunBundle) -> dict[str, Any]:
    """Its findings, for each fold where there are folds; empty while no epoch has ended."""
    try:
        diagnoses = diagnose(bundle)
    except RequestError:
        return {}
    return {"diagnoses": diagnoses} if any(one.findings for one in diagnoses) else {}


def turned(diagnoses: list[Any]) -> int | None:
    """The epoch from which a training overfitted, if it did."""
    return next((t.epoch for one in diagnoses for t in one.findings if t.code == "overfitting"), None)
