"""What each verb gives back."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from lamelle.conversion.apply import Converted
from lamelle.errors import printable
from lamelle.messages import text
from lamelle.results.studies import Comparison, SearchResult
from lamelle.types import Problem
from lamelle.verbs.outcome import Outcome

if TYPE_CHECKING:
    from rich.console import Console

    from lamelle.data.augment.options import Augment
    from lamelle.doctor.diagnosis import Diagnosis
    from lamelle.results.audit import Audit, ImageMeasures
    from lamelle.results.scores import Scores
    from lamelle.runs.splitting import Outlook
    from lamelle.studies.listing import RunSummary
    from lamelle.studies.pruning import Going, PruneList
    from lamelle.studies.verification import Verified
    from lamelle.types import Index

What = TypeVar("What", Comparison, SearchResult)
_NAMED = 5
"""Files that are named where some are not whole."""


@dataclass(frozen=True)
class PathOutcome(Outcome):
    """A file or folder that was made; it goes wherever a path does."""

    path: Path

    def __fspath__(self) -> str:
        return str(self.path)

    def __truediv__(self, name: str) -> Path:
        return self.path / name


@dataclass(frozen=True)
class Check(Outcome):
    """What is in a folder, and what is wrong with it."""

    index: Index
    audit: Audit
    outlook: Outlook
    """The split that a training would make."""
    report: Path | None = None

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All that was found."""
        return self.audit.problems

    @property
    def rows(self) -> tuple[ImageMeasures, ...]:
        """What was measured of each image."""
        return self.audit.rows

    @property
    def errors(self) -> tuple[Problem, ...]:
        """What keeps a training from starting."""
        return self.audit.errors

    @property
    def failed(self) -> bool:
        return bool(self.errors)

    @property
    def page(self) -> Path | None:
        return self.report

    def text_lines(self) -> Iterator[str]:
        from rich.console import Console

        yield self._printed(Console(file=io.StringIO()))
        if self.report is not None:
            yield text("cli.written", path=self.report)

    def closing_lines(self) -> Iterator[str]:
        """On a terminal, a table in colours."""
        from rich.console import Console

        yield self._printed(Console())
        if self.report is not None:
            yield text("cli.written", path=self.report)

    def _printed(self, console: Console) -> str:
        from lamelle.reports.terminal import print_check

        with console.capture() as captured:
            print_check(self.index, self.audit, self.outlook, console)
        return captured.get().rstrip("\n")


@dataclass(frozen=True)
class Evaluation(Outcome):
    """Scores of a model on its own test set, or on another folder."""

    folder: Path
    """Where they lie: the Run, or one of its ``evaluations/``."""
    scores: Scores
    """Every score with n, unit and interval: ``scores["dice"].value``."""

    @property
    def page(self) -> Path:
        from lamelle.runs.folder import RunFolder

        return RunFolder(self.folder).report

    def text_lines(self) -> Iterator[str]:
        from lamelle.reports.external_evaluation import in_words
        from lamelle.runs.evaluate import headline

        if self.scores.elsewhere is not None:
            yield in_words(self.scores)
        yield from headline(self.scores)
        yield text("cli.report_at", path=self.page.resolve())


@dataclass(frozen=True)
class Predictions(Outcome):
    """What was predicted of new images."""

    folder: Path
    table: Path
    """A row for each image."""

    @property
    def labels(self) -> list[Path]:
        """The label images, where the model segments."""
        return sorted(path for path in (self.folder / "labels").rglob("*.*") if path.parent.suffix != ".zarr")

    def text_lines(self) -> Iterator[str]:
        yield text("cli.written", path=self.table)


@dataclass(frozen=True)
class Page(PathOutcome):
    """A page that was written."""

    @property
    def page(self) -> Path:
        return self.path

    def text_lines(self) -> Iterator[str]:
        yield text("cli.report_at", path=self.path.resolve())


@dataclass(frozen=True)
class SamplePicture(PathOutcome):
    """Training samples before and after augmentation; a notebook shows the picture."""

    images: int
    draws: int
    augment: Augment
    """The options that were drawn from, with what the plan added to those that were asked for."""
    notes: tuple[str, ...] = ()

    def text_lines(self) -> Iterator[str]:
        yield from self.notes
        yield text("augment.drawn", path=self.path.resolve(), images=self.images, draws=self.draws)
        off = type(self.augment).none().model_dump(mode="json")
        used = {name: value for name, value in self.augment.model_dump(mode="json").items() if value != off[name]}
        named = " ".join(f"{name}={json.dumps(value)}" for name, value in used.items() if name in off)
        yield text("augment.changes", changes=named) if named else text("augment.nothing")
        if self.augment.mixup or self.augment.cutmix:
            yield text("augment.mixed")

    def _repr_html_(self) -> str:
        encoded = base64.b64encode(self.path.read_bytes()).decode("ascii")
        lines = "\n".join(self.text_lines())
        return (
            f'<img alt="{escape(lines, quote=True)}" src="data:image/png;base64,{encoded}"><pre>{escape(lines)}</pre>'
        )


@dataclass(frozen=True)
class Diagnoses(Outcome):
    """What the doctor says of a Run, or of each fold of one."""

    diagnoses: tuple[Diagnosis, ...]

    def __iter__(self) -> Iterator[Diagnosis]:
        return iter(self.diagnoses)

    def __len__(self) -> int:
        return len(self.diagnoses)

    def __getitem__(self, place: int) -> Diagnosis:
        return self.diagnoses[place]

    def text_lines(self) -> Iterator[str]:
        from lamelle.doctor.diagnosis import lines

        for one in self.diagnoses:
            if len(self.diagnoses) > 1:
                yield one.name
            yield from lines(one.findings)


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
    def going(self) -> Sequence[Going]:
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


@dataclass(frozen=True)
class Conversion(Converted, Outcome):
    """An image, a stack or a series in another format."""

    @property
    def remarks(self) -> Sequence[Problem]:
        return self.problems

    def text_lines(self) -> Iterator[str]:
        spacing = " × ".join(f"{v:g}" for v in self.spacing) + " µm" if self.spacing else "–"
        shape = " × ".join(map(str, self.shape))
        yield text("cli.convert_done", shape=shape, dtype=self.dtype, spacing=spacing, sha256=self.sha256)
        yield text("cli.written", path=self.path)


@dataclass(frozen=True)
class Written(PathOutcome):
    """A file or folder that was made."""

    next: str = ""
    """What may be done with it."""

    def text_lines(self) -> Iterator[str]:
        yield text("cli.written", path=self.path)
        if self.next:
            yield self.next


@dataclass(frozen=True)
class Text(Outcome):
    """Lines to read."""

    said: tuple[str, ...]

    def text_lines(self) -> Iterator[str]:
        yield from self.said
