"""What the doctor says about a Run, in words."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from lamelle.doctor.facts import facts_of
from lamelle.doctor.finding import Finding
from lamelle.doctor.rules import findings
from lamelle.errors import RequestError
from lamelle.messages import text
from lamelle.metrics.names import name_of
from lamelle.runs.bundle import RunBundle


@dataclass(frozen=True, slots=True)
class Advice:
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
    findings: tuple[Advice, ...]


def diagnose(bundle: RunBundle) -> list[Diagnosis]:
    """The findings about a Run, or about each fold of one; no file is opened.

    Raises:
        RequestError: If no epoch has ended yet.
    """
    begun = [fold for fold in bundle.folds if fold.history] or [bundle]
    return [Diagnosis(one.name, tuple(in_words(f, one) for f in findings(facts_of(one)))) for one in begun]


def in_words(finding: Finding, bundle: RunBundle) -> Advice:
    """A finding in the language that is spoken."""
    values = {**finding.values, "change": " ".join(finding.change)}
    if "monitor" in values:
        values["monitor"] = name_of(str(values["monitor"]))
    command = ""
    if finding.change:
        command = shlex.join(["lamelle", "train", "--recipe", str(bundle.run.recipe), *finding.change])
    return Advice(
        finding.code,
        finding.severity,
        text(f"doctor.{finding.code}", **values),
        text(f"doctor.{finding.code}_{finding.proof}", **values),
        text(f"doctor.{finding.code}_next", **values),
        command,
        finding.epoch,
    )


def lines(findings: Sequence[Advice]) -> list[str]:
    """The findings for a terminal: verdict, evidence and next step of each."""
    shown = []
    for one in findings:
        shown += [f"{text(f'doctor.mark_{one.severity}')} {one.verdict}", f"  {one.evidence}", f"  → {one.next}"]
        if one.command:
            shown.append(f"    {one.command}")
    return shown


def summary(bundle: RunBundle) -> list[str]:
    """The most important finding in one line, its next step in another; nothing where no epoch has ended."""
    try:
        findings = diagnose(bundle)[0].findings
    except RequestError:
        return []
    if not findings:
        return []
    first, more = findings[0], len(findings) - 1
    rest = text("doctor.more", n=more, run=bundle.run.path) if more else ""
    return [
        " ".join(w for w in (text("doctor.short_form"), first.verdict, first.evidence) if w),
        f"→ {first.next} {rest}".rstrip(),
    ]
