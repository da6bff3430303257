"""The base of what verbs give back: records that say themselves, in a terminal and in a notebook."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lamelle.types import Problem


class Outcome:
    """A result: ``str`` is what a terminal shows, and a notebook shows the same with a link to its page."""

    @property
    def failed(self) -> bool:
        """Whether the command line ends with exit code 1."""
        return False

    @property
    def remarks(self) -> Sequence[Problem]:
        """What belongs on standard error."""
        return ()

    @property
    def page(self) -> Path | None:
        """The page that shows more."""
        return None

    def text_lines(self) -> Iterable[str]:
        """What there is to say."""
        raise NotImplementedError

    def closing_lines(self) -> Iterable[str]:
        """What the command line prints at the end; all, unless it was said on the way."""
        return self.text_lines()

    def __str__(self) -> str:
        return "\n".join(self.text_lines())

    def _repr_html_(self) -> str:
        link = (
            f'<p><a href="{escape(str(self.page), quote=True)}">{escape(str(self.page))}</a></p>' if self.page else ""
        )
        return f"<pre>{escape(str(self))}</pre>{link}"
