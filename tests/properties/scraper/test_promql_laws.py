"""Whatever is asked, it is answered or refused."""

from __future__ import annotations

import contextlib

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.integration.promql_series import BASE, COUNT, STEP, fill, make_samples

from pillion.scraper.query import (
    Evaluation,
    Limits,
    ParseError,
    Period,
    QueryError,
    Type,
    format_expr,
    format_pretty,
    parse,
    type_of,
)
from pillion.scraper.samples import Window
from pillion.scraper.web.syntaxtree import tree_of

WORDS = st.sampled_from(
    [
        r"up",
        r"rate(",
        r"sum",
        r"by",
        r"(job)",
        r"(",
        r")",
        r"(",
        r"[5m]",
        r"[5m:]",
        r"[",
        r"]",
        r"{",
        r"}",
        r",",
        r"+",
        r"-",
        r"*",
        r"/",
        r"%",
        r"^",
        r"==",
        r"!=",
        r"<",
        r"bool",
        r"on(job)",
        r"ignoring()",
        r"group_left",
        r"offset",
        r"5m",
        r"@",
        r"start()",
        r"end()",
        r"1",
        r"0x",
        r"1e3",
        r".5",
        r'"a"',
        r"'b'",
        r"`c`",
        r"=",
        r"=~",
        r"!~",
        r"job",
        r"le",
        r"topk(2,",
        r"histogram_quantile(0.9,",
        r"label_replace(",
        r"unless",
        r"and",
        r"or",
        r"absent(",
        r"#",
        r":",
        r"!",
        r"ü",
        r"\\",
        r"max_over_time(",
        r"odd_values",
        r"latency_seconds_bucket",
        r"1h",
        r"NaN",
        r"Inf",
        r"quantile",
        r"scalar(",
        r"vector(1)",
    ]
)
WINDOW = Window()
fill(WINDOW, make_samples())
AT = BASE + STEP * COUNT


ANY = st.one_of(st.text(max_size=40), st.lists(WORDS, max_size=14).map(" ".join))


@settings(max_examples=400, deadline=None)
@given(ANY)
def test_what_is_formatted_is_read_as_the_same(query: str) -> None:
    with contextlib.suppress(ParseError):
        expr = parse(query)
        text = format_expr(expr)
        assert tree_of(parse(text)) == tree_of(expr) or "NaN" in text
        assert format_expr(parse(format_pretty(expr))) == text


@settings(max_examples=400, deadline=None)
@given(ANY)
def test_any_text_is_answered_or_refused(query: str) -> None:
    with contextlib.suppress(QueryError):
        expr = parse(query)
        evaluation = Evaluation(expr, WINDOW, Period(start=AT - 120_000, end=AT, step=60_000), Limits())
        if type_of(expr) is Type.MATRIX:
            evaluation.matrix()
        else:
            list(evaluation.steps())
