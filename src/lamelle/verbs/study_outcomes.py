"""What the verbs about several runs give back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from lamelle.errors import printable
from lamelle.messages import text
from lamelle.results.studies import Comparison, SearchResult
from lamelle.types import Problem
from lamelle.verbs.outcome import Outcome
from lamelle.verbs.outcomes import PathOutcome

if TYPE_CHECKING:
    from lamelle.studies.listing import RunSummary
    from lamelle.studies.pruning import PruneItem, PruneList
    from lamelle.studies.verification import Verified

What = TypeVar("What", Comparison, SearchResult)
_NAMED = 5
"""Files that are named where some are not whole."""


@dataclass(frozen=True)
class Study(PathOutcome, Generic[What]):
    """Runs on one split that were compared or searched: ``table.csv``, ``scores.json``, ``report.html``, all runs."""

    @property
    def result(self) -> What:
        """What came of it: a `Comparison` or a `SearchResult`, as in ``scores.json``."""
        from lamelle.studies.folder import StudyFolder

        return cast(What, StudyFolder(self.path).read_result())

    @property
    def page(self) -> Path:
        return self.path / "report.html"

    def text_lines(self) -> Iterator[str]:
        from lamelle.reports import search, study

        result = self.result
        yield from study.terminal(result) if isinstance(result, Comparison) else search.terminal(result)
        yield text("cli.report_at", path=self.page.resolve())


@dataclass(frozen=True)
class RunListing(Outcome):
    """The runs below a folder."""

    runs: tuple[RunSummary, ...]

    def __iter__(self) -> Iterator[RunSummary]:
        return iter(self.runs)

    def __len__(self) -> int:
        return len(self.runs)

    def __getitem__(self, place: int) -> RunSummary:
        return self.runs[place]

    def to_csv(self) -> str:
        """The list as a table for programs."""
        from lamelle.studies.listing import to_csv

        return to_csv(self.runs)

    def text_lines(self) -> Iterator[str]:
        from lamelle.studies.terminal import table

        yield from table(self.runs)


@dataclass(frozen=True)
class RunComparison(Outcome):
    """Finished runs side by side."""

    result: Comparison
    report: Path | None = None

    @property
    def page(self) -> Path | None:
        return self.report

    def text_lines(self) -> Iterator[str]:
        from lamelle.reports.study import terminal

        yield from terminal(self.result)
        if self.report is not None:
            yield text("cli.report_at", path=self.report.resolve())


@dataclass(frozen=True)
class Pruning(Outcome):
    """What goes to make room, and what stays."""

    plan: PruneList
    done: bool

    @property
    def going(self) -> Sequence[PruneItem]:
        """What goes."""
        return self.plan.going

    @property
    def bytes(self) -> int:
        """How much room that makes."""
        return self.plan.bytes

    @property
    def staying(self) -> Sequence[tuple[RunSummary, str]]:
        """Runs that stay, and why."""
        return self.plan.staying

    def text_lines(self) -> Iterator[str]:
        from lamelle.studies.terminal import pruned

        yield from pruned(self.plan, done=self.done)


@dataclass(frozen=True)
class Verification(Outcome):
    """Every file of runs and packages, compared with what was written."""

    artefacts: tuple[Verified, ...]

    def __iter__(self) -> Iterator[Verified]:
        return iter(self.artefacts)

    def __len__(self) -> int:
        return len(self.artefacts)

    def __getitem__(self, place: int) -> Verified:
        return self.artefacts[place]

    @property
    def wrong(self) -> list[Path]:
        """Files that have changed or are missing."""
        return [one.path / name for one in self for name, s in one.files.items() if s in ("changed", "missing")]

    @property
    def failed(self) -> bool:
        return bool(self.wrong)

    @property
    def remarks(self) -> Sequence[Problem]:
        if not self.wrong:
            return ()
        names = ", ".join(printable(str(path)) for path in self.wrong[:_NAMED])
        values = {"n": len(self.wrong), "names": names + (" …" if len(self.wrong) > _NAMED else "")}
        return (Problem("runs.not_whole", values=values),)

    def text_lines(self) -> Iterator[str]:
        from lamelle.studies.terminal import verified

        yield from verified(self.artefacts)


@dataclass(frozen=True)
class Exported(Outcome):
    """Runs that were written into the store of another tool."""

    places: tuple[tuple[Path, str], ...]
    """Each run, and where it was written."""

    def text_lines(self) -> Iterator[str]:
        for path, where in self.places:
            yield text("runs.exported", path=path, where=where)
