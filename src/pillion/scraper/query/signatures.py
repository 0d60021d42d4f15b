"""Which functions there are, and what they take and give (promql/parser/functions.go)."""

from __future__ import annotations

import msgspec

from pillion.scraper.query.syntax import Type


class Signature(msgspec.Struct, frozen=True):
    args: tuple[Type, ...]
    optional: int
    """How many further arguments there may be, of the last one's type, the last one itself among them; -1: any."""
    result: Type


_TYPES = {"v": Type.VECTOR, "m": Type.MATRIX, "s": Type.SCALAR, "t": Type.STRING}

_VECTOR_FUNCTIONS = """
    abs acos acosh asin asinh atan atanh ceil cos cosh deg exp floor ln log10 log2 rad sgn sin sinh sqrt tan tanh
    absent sort sort_desc timestamp histogram_avg histogram_count histogram_sum histogram_stddev histogram_stdvar
"""
_RANGE_FUNCTIONS = """
    absent_over_time avg_over_time changes count_over_time delta deriv idelta increase irate last_over_time
    max_over_time min_over_time present_over_time rate resets stddev_over_time stdvar_over_time sum_over_time
"""
_TIME_FUNCTIONS = "day_of_month day_of_week day_of_year days_in_month hour minute month year"

EXPERIMENTAL = frozenset(
    [
        "double_exponential_smoothing",
        "end",
        "first_over_time",
        "histogram_quantiles",
        "info",
        "integral",
        "mad_over_time",
        "range",
        "sort_by_label",
        "sort_by_label_desc",
        "start",
        "step",
        "ts_of_first_over_time",
        "ts_of_last_over_time",
        "ts_of_max_over_time",
        "ts_of_min_over_time",
    ]
)
"""Prometheus has them behind --enable-feature=promql-experimental-functions."""


def _signature(args: str, result: str = "v", optional: int = 0) -> Signature:
    return Signature(tuple(_TYPES[letter] for letter in args), optional, _TYPES[result])


FUNCTIONS: dict[str, Signature] = {
    **dict.fromkeys(_VECTOR_FUNCTIONS.split(), _signature("v")),
    **dict.fromkeys(_RANGE_FUNCTIONS.split(), _signature("m")),
    **dict.fromkeys(_TIME_FUNCTIONS.split(), _signature("v", optional=1)),
    "clamp": _signature("vss"),
    "clamp_max": _signature("vs"),
    "clamp_min": _signature("vs"),
    "histogram_fraction": _signature("ssv"),
    "histogram_quantile": _signature("sv"),
    "label_join": _signature("vttt", optional=-1),
    "label_replace": _signature("vtttt"),
    "pi": _signature("", "s"),
    "predict_linear": _signature("ms"),
    "quantile_over_time": _signature("sm"),
    "round": _signature("vs", optional=1),
    "scalar": _signature("v", "s"),
    "time": _signature("", "s"),
    "vector": _signature("s"),
}
