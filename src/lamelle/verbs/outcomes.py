"""What each verb gives back."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from lamelle.conversion.apply import Converted
from lamelle.messages import text
from lamelle.types import Problem
from lamelle.verbs.outcome import Outcome

if TYPE_CHECKING:
    from rich.console import Console

    from lamelle.data.augment.options import Augment
    from lamelle.doctor.diagnosis import Diagnosis
    from lamelle.results.audit import Audit, ImageMeasures
    from lamelle.results.scores import Scores
    from lamelle.runs.splitting import Outlook
    from lamelle.types import Index


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
    """A page that was written, and the workbook beside it, if there is one."""

    workbook: Path | None = None

    @property
    def page(self) -> Path:
        return self.path

    def text_lines(self) -> Iterator[str]:
        yield text("cli.report_at", path=self.path.resolve())
        if self.workbook is not None:
            yield text("cli.written", path=self.workbook.resolve())


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
