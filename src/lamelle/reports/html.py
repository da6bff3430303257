"""Pages that need nothing but themselves: one template, one style sheet inside it, no script, nothing fetched."""

from __future__ import annotations

import math
from typing import Any

from lamelle.messages import language, text
from lamelle.reports.figures import own_ids
from lamelle.version import __version__


def render(template: str, /, **values: Any) -> str:
    """A page. Every value is escaped unless it is a figure that `svg` made safe.

    Args:
        template: Name of the template.
        values: What it shows.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    pages = Environment(
        loader=PackageLoader("lamelle.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_clean,
    )
    pages.globals |= {"t": text, "version": __version__, "language": language()}
    pages.filters |= {"number": number, "percent": percent, "whole": whole, "elide": elide, "svg": _Figures()}
    return pages.get_template(template).render(values)


class _Figures:
    """Marks drawn figures as safe, and gives each its own names inside the page."""

    def __init__(self) -> None:
        self._n = 0

    def __call__(self, svg: str) -> object:
        from markupsafe import Markup

        self._n += 1
        return Markup(own_ids(svg, f"f{self._n}"))


def _clean(value: object) -> object:
    """Text that every browser accepts: names with undecodable bytes or control characters show them as escapes."""
    if type(value) is not str or (value.isprintable() and value.isascii()):
        return value
    return "".join(c if _shown(c) else c.encode("unicode_escape", "surrogatepass").decode() for c in value)


def _shown(character: str) -> bool:
    # characters that change the direction of text could make one file name look like another
    return character in "\n\t\u202f\u00a0\u200b" or character.isprintable()


def number(value: object, digits: int = 3) -> str:
    """A score as people read it: three decimals, the language's decimal sign, a dash for what is not defined.

    Example:
        >>> number(0.87654), number(None), number(float("nan"))
        ('0.877', '–', '–')
    """
    if value is None or not isinstance(value, int | float) or not math.isfinite(value):
        return "–"
    return _local(f"{value:.{digits}f}")


def short(value: float) -> str:
    """A measured number with four significant digits at most.

    Example:
        >>> short(40.335), short(65535.0), short(0.00015)
        ('40.34', '65535', '0.00015')
    """
    if not math.isfinite(value):
        return "–"
    return _local(f"{value:.0f}" if float(value).is_integer() and abs(value) < 1e9 else f"{value:.4g}")


def whole(value: int) -> str:
    """A count, with narrow spaces between thousands.

    Example:
        >>> whole(12345).encode("ascii", "replace")
        b'12?345'
    """
    return f"{value:,}".replace(",", "\u202f")


def percent(share: float) -> str:
    """A share in percent; a decimal near both ends, and never 0 or 100 unless it is.

    Example:
        >>> percent(0.5), percent(0.0123), percent(0), percent(0.00001), percent(0.99999)
        ('50 %', '1.2 %', '0 %', '< 0.1 %', '> 99.9 %')
    """
    if 0 < share < 0.0005 or 0.9995 < share < 1:
        return _local("< 0.1 %" if share < 0.5 else "> 99.9 %")
    digits = 1 if 0 < share < 0.0995 or 0.99 < share < 1 else 0
    return _local(f"{100 * share:.{digits}f} %")


def elide(name: str, length: int) -> str:
    """The last part of a path, shortened in its middle.

    Example:
        >>> elide("a/b.png", 20), elide("x/0123456789abcdef.png", 12)
        ('a/b.png', '01234…ef.png')
    """
    if len(name) <= length:
        return name
    last = name.rsplit("/", 1)[-1]
    half = (length - 1) // 2
    return last if len(last) <= length else f"{last[:half]}…{last[-(length - half - 1) :]}"


def _local(written: str) -> str:
    return written.replace(".", ",") if language() == "fr" else written
