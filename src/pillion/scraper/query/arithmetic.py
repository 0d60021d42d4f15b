"""Floating point as Go does it: nothing raises, everything has a result. And sums that hardly round."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Sequence

NAN = math.nan


def divide(left: float, right: float) -> float:
    if right:
        return left / right
    if left == 0 or math.isnan(left) or math.isnan(right):
        return NAN
    return math.copysign(math.inf, left) * math.copysign(1.0, right)


def modulo(left: float, right: float) -> float:
    """math.Mod: the sign is that of `left`."""
    return NAN if right == 0 or math.isinf(left) else math.fmod(left, right)


def power(left: float, right: float) -> float:
    try:
        return math.pow(left, right)
    except ValueError:
        is_pole = left == 0 and right < 0
        if not is_pole:
            return NAN
        is_odd = right == int(right) and int(right) % 2 == 1 if math.isfinite(right) else False
        return math.copysign(math.inf, left) if is_odd else math.inf
    except OverflowError:
        is_odd = right == int(right) and int(right) % 2 == 1
        return -math.inf if left < 0 and is_odd else math.inf


ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": divide,
    "%": modulo,
    "^": power,
    "atan2": math.atan2,
}
COMPARISON: dict[str, Callable[[float, float], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def total(function: Callable[[float], float]) -> Callable[[float], float]:
    """A function of `math`, where it is not defined as Go's."""

    def safe(value: float) -> float:
        try:
            return function(value)
        except ValueError:
            return NAN
        except OverflowError:
            return math.copysign(math.inf, value)

    return safe


def logarithm(function: Callable[[float], float]) -> Callable[[float], float]:
    def safe(value: float) -> float:
        if value > 0 or math.isnan(value):
            return function(value)
        return -math.inf if value == 0 else NAN

    return safe


def exponential(value: float) -> float:
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf


def inverse_tanh(value: float) -> float:
    return math.copysign(math.inf, value) if abs(value) == 1 else total(math.atanh)(value)


def floor(value: float) -> float:
    """Of -0.5 this is -1 and of 0.5 it is 0; of -0.0 it stays -0.0."""
    return float(math.floor(value)) if math.isfinite(value) and value else value


def ceil(value: float) -> float:
    if not math.isfinite(value) or not value:
        return value
    return math.copysign(float(math.ceil(value)), value)


def sign(value: float) -> float:
    return -1.0 if value < 0 else 1.0 if value > 0 else value


def smaller(left: float, right: float) -> float:
    """math.Min: NaN if either is."""
    return NAN if left != left or right != right else min(left, right)


def larger(left: float, right: float) -> float:
    return NAN if left != left or right != right else max(left, right)


def add_up(values: Iterable[float]) -> float:
    """Exactly rounded, as near as Prometheus' Kahan summation or nearer."""
    values = list(values)
    try:
        return math.fsum(values)
    except (OverflowError, ValueError):  # beyond the range, or infinities of both signs
        return sum(values)


def mean(values: Sequence[float]) -> float:
    if len(values) == 1:
        return values[0]
    found = add_up(values)
    if math.isinf(found) and all(map(math.isfinite, values)):
        return add_up(value / len(values) for value in values)
    return found / len(values)


def variance(values: Sequence[float]) -> float:
    """Of the whole population."""
    middle = mean(values)
    return add_up((value - middle) * (value - middle) for value in values) / len(values)


def least(values: Sequence[float]) -> float:
    """NaN only if there is nothing else."""
    found = values[0]
    if not any(map(math.isnan, values)):
        return min(values)
    for value in values:
        if value < found or math.isnan(found):
            found = value
    return found


def greatest(values: Sequence[float]) -> float:
    """NaN only if there is nothing else."""
    if not any(map(math.isnan, values)):
        return max(values)
    return -least([-value for value in values])


def quantile(share: float, values: Iterable[float]) -> float:
    """promql/quantile.go, quantile: between two neighbours it is weighted. NaN is the smallest."""
    ordered = sorted(values, key=lambda value: (not math.isnan(value), value))
    if not ordered or math.isnan(share):
        return NAN
    if share < 0:
        return -math.inf
    if share > 1:
        return math.inf
    rank = share * (len(ordered) - 1)
    lower = max(0, math.floor(rank))
    upper = min(len(ordered) - 1, lower + 1)
    weight = rank - math.floor(rank)
    return ordered[lower] * (1 - weight) + ordered[upper] * weight
