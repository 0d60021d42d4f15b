"""Functions of one value each: roots, logarithms, angles, and the parts of a date (promql/functions.go)."""

from __future__ import annotations

import calendar
import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from pillion.scraper.query import arithmetic
from pillion.scraper.query.arithmetic import total

if TYPE_CHECKING:
    from collections.abc import Callable

VALUE_FUNCTIONS: dict[str, Callable[[float], float]] = {
    "abs": abs,
    "acos": total(math.acos),
    "acosh": total(math.acosh),
    "asin": total(math.asin),
    "asinh": math.asinh,
    "atan": math.atan,
    "atanh": arithmetic.inverse_tanh,
    "ceil": arithmetic.ceil,
    "cos": total(math.cos),
    "cosh": lambda value: abs(total(math.cosh)(value)),
    "deg": lambda value: value * 180 / math.pi,
    "exp": arithmetic.exponential,
    "floor": arithmetic.floor,
    "ln": arithmetic.logarithm(math.log),
    "log10": arithmetic.logarithm(math.log10),
    "log2": arithmetic.logarithm(math.log2),
    "rad": lambda value: value * math.pi / 180,
    "sgn": arithmetic.sign,
    "sin": total(math.sin),
    "sinh": total(math.sinh),
    "sqrt": total(math.sqrt),
    "tan": total(math.tan),
    "tanh": math.tanh,
}

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _date(function: Callable[[datetime], float]) -> Callable[[float], float]:
    def of_seconds(seconds: float) -> float:
        try:
            return float(function(_EPOCH + timedelta(seconds=math.trunc(seconds))))
        except (OverflowError, ValueError):  # NaN, or beyond the year 9999: Go goes further
            return math.nan

    return of_seconds


DATE_FUNCTIONS: dict[str, Callable[[float], float]] = {
    "day_of_month": _date(lambda date: date.day),
    "day_of_week": _date(lambda date: date.isoweekday() % 7),
    "day_of_year": _date(lambda date: date.timetuple().tm_yday),
    "days_in_month": _date(lambda date: calendar.monthrange(date.year, date.month)[1]),
    "hour": _date(lambda date: date.hour),
    "minute": _date(lambda date: date.minute),
    "month": _date(lambda date: date.month),
    "year": _date(lambda date: date.year),
}
"""Of seconds since the epoch, in UTC."""


def round_to(value: float, nearest: float) -> float:
    """Ties go up: as Go's formula, with its rounding errors."""
    inverse = arithmetic.divide(1.0, nearest)
    return arithmetic.divide(arithmetic.floor(value * inverse + 0.5), inverse)


def clamp(value: float, low: float, high: float) -> float:
    return arithmetic.larger(low, arithmetic.smaller(high, value))
