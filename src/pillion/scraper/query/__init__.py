"""The PromQL that people use to look: read, checked, and evaluated over the window. Pure.

    text ──► tokens ──► syntax tree ──► checked ──► Evaluation: instant by instant ──► values

Behaviour is Prometheus 3's: ranges and lookback leave their oldest end out. Left out are native histograms, the
functions that Prometheus calls experimental, and arithmetic on durations.
"""

from pillion.scraper.query.checking import type_of
from pillion.scraper.query.evaluation import Evaluation
from pillion.scraper.query.failure import ExecutionError, ParseError, QueryError
from pillion.scraper.query.gofloats import format_float, format_sample, format_time
from pillion.scraper.query.loading import Limits, Period
from pillion.scraper.query.parsing import parse, parse_selector
from pillion.scraper.query.printing import format_expr, format_pretty
from pillion.scraper.query.syntax import Expr, Type
from pillion.scraper.query.values import Range, Value, Vector

__all__ = [
    "Evaluation",
    "ExecutionError",
    "Expr",
    "Limits",
    "ParseError",
    "Period",
    "QueryError",
    "Range",
    "Type",
    "Value",
    "Vector",
    "format_expr",
    "format_float",
    "format_pretty",
    "format_sample",
    "format_time",
    "parse",
    "parse_selector",
    "type_of",
]
