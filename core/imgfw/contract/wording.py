"""Figures as a person reads them."""

from __future__ import annotations

import math


def counted(count: int, noun: str) -> str:
    """Write a count with its noun, as `1 model` or `3,000 models`."""
    if count == 1:
        return f"1 {noun}"
    return f"{count:,} {noun}{'es' if noun.endswith('s') else 's'}"


def in_units(size: float) -> str:
    """Write bytes in the unit that fits, as `1.5 GiB`."""
    number, unit = float(size), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if number < 1024:
            break
        number, unit = number / 1024, larger
    return f"{number:.3g} {unit}" if number < 999.5 else f"{number:,.0f} {unit}"


def whole_or_short(number: float) -> str:
    """Write a number that is whole with all its digits, as `1000001`, and any other one in short."""
    if isinstance(number, int) or number.is_integer():
        return str(int(number))
    return f"{number:g}"


def as_rate(rate: float) -> str:
    """Write a rate with three digits or more, as `2,183`, `12.5` or `0.0312`."""
    if rate >= 100:
        return f"{rate:,.0f}"
    return f"{rate:.1f}" if rate >= 10 else f"{rate:.3g}"


def rounded_rate(rate: float) -> float:
    """A rate to a tenth, or where it is small to four digits that count."""
    if not math.isfinite(rate) or rate == 0:
        return rate
    return round(rate, max(1, 3 - math.floor(math.log10(abs(rate)))))
