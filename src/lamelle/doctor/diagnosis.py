"""What the doctor says about a Run, in words."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from lamelle.data.store import Store
from lamelle.doctor.batch_norm import measure
from lamelle.doctor.finding import Finding
from lamelle.doctor.reading import read
from lamelle.doctor.rules import findings
from lamelle.errors import RequestError
from lamelle.messages import text
from lamelle.metrics.names import name_of
from lamelle.runs.folder import RunFolder


@dataclass(frozen=True, slots=True)
class Told:
    """One finding in sentences."""

    code: str
    severity: str
    verdict: str
    evidence: str
    next: str
    command: str
    """What does that next step, as far as a command can."""
    epoch: int | None
    """Since when."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All that was found about one training."""

    name: str
    """Of its folder."""
    told: tuple[Told, ...]


def diagnose(run: RunFolder, store: Store | None = None) -> list[Diagnosis]:
    """The findings about a Run, or about each fold of one.

    Args:
        store: To look at training images again, where batch norms learnt; None = curves and scores only.

    Raises:
        RequestError: If no epoch has ended yet.
    """
    begun = [part for part in run.parts() if part.history.is_file()]
    found = []
    for one in begun or [run]:
        facts = read(one, measured=None)
        if store is not None and facts.statistics is not None and (measured := measure(one, store)) is not None:
            facts = read(one, measured=measured)
        found.append(Diagnosis(one.path.resolve().name, tuple(tell(f, one) for f in findings(facts))))
    return found


def tell(finding: Finding, run: RunFolder) -> Told:
    """A finding in the language that is spoken."""
    values = {**finding.values, "change": " ".join(finding.change)}
    if "monitor" in values:
        values["monitor"] = name_of(str(values["monitor"]))
    command = ""
    if finding.change:
        command = shlex.join(["lamelle", "train", "--recipe", str(run.recipe), *finding.change])
    return Told(
        finding.code,
        finding.severity,
        text(f"doctor.{finding.code}", **values),
        text(f"doctor.{finding.code}_{finding.proof}", **values),
        text(f"doctor.{finding.code}_next", **values),
        command,
        finding.epoch,
    )


def lines(told: Sequence[Told]) -> list[str]:
    """The findings for a terminal: verdict, evidence and next step of each."""
    found = []
    for one in told:
        found += [f"{text(f'doctor.mark_{one.severity}')} {one.verdict}", f"  {one.evidence}", f"  → {one.next}"]
        if one.command:
            found.append(f"    {one.command}")
    return found


def summary(run: RunFolder) -> list[str]:
    """The most important finding in one line, its next step in another; nothing where no epoch has ended."""
    try:
        told = diagnose(run)[0].told
    except RequestError:
        return []
    if not told:
        return []
    first, more = told[0], len(told) - 1
    rest = text("doctor.more", n=more, run=run.path) if more else ""
    return [
        " ".join(w for w in (text("doctor.short_form"), first.verdict, first.evidence) if w),
        f"→ {first.next} {rest}".rstrip(),
    ]
