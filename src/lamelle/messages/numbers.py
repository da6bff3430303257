"""Numbers as people of a language write them."""

from __future__ import annotations

import math

from lamelle.messages import local, text

_UNITS = ("image", "slice", "block", "group", "patient", "volume", "object", "pixel")


def number(value: object, digits: int = 3) -> str:
    """A score as people read it: three decimals, the language's decimal sign, a dash for what is not defined.

    Example:
        >>> number(0.87654), number(None), number(float("nan"))
        ('0.877', '–', '–')
    """
    if value is None or not isinstance(value, int | float) or not math.isfinite(value):
        return "–"
    return local(f"{value:.{digits}f}")


def short(value: float) -> str:
    """A measured number with four significant digits at most.

    Example:
        >>> short(40.335), short(65535.0), short(0.00015)
        ('40.34', '65535', '0.00015')
    """
    if not math.isfinite(value):
        return "–"
    return local(f"{value:.0f}" if float(value).is_integer() and abs(value) < 1e9 else f"{value:.4g}")


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
        return local("< 0.1 %" if share < 0.5 else "> 99.9 %")
    digits = 1 if 0 < share < 0.0995 or 0.99 < share < 1 else 0
    return local(f"{100 * share:.{digits}f} %")


def unit_of(unit: str, n: int) -> str:
    """What was counted, as it stands behind its number; any other unit than those of the scores stays as it is.

    Example:
        >>> unit_of("slice", 1), unit_of("slice", 6)
        ('slice', 'slices')
    """
    return text(f"report.unit_one_{unit}" if n == 1 else f"report.unit_{unit}") if unit in _UNITS else unit
