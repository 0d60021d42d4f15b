"""Pages of our own."""

from __future__ import annotations

import math
from array import array

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from pillion.scraper.exposition import (
    Escaping,
    Format,
    WrittenFamily,
    WrittenSample,
    escape_name,
    page_reader,
    write_page,
)
from pillion.scraper.labels import labels_of
from pillion.scraper.samples import Metadata


def sample(value: float, time: int | None = None, **labels: str) -> WrittenSample:
    return WrittenSample(labels=labels_of(labels), value=value, time=time)


FAMILIES = (
    WrittenFamily(
        metadata=Metadata(name="scrapes_total", type="counter", help='Scrapes,\nby "job" \\.'),
        samples=(sample(3, __name__="scrapes_total", job='a"b\\c\nd'), sample(1e6, __name__="scrapes_total")),
    ),
    WrittenFamily(
        metadata=Metadata(name="size_bytes", type="gauge", unit="bytes"),
        samples=(sample(math.nan, 1700000000123, __name__="size_bytes"),),
    ),
    WrittenFamily(
        metadata=Metadata(name="wait", type="histogram"),
        samples=(
            sample(1, __name__="wait_bucket", le="+Inf"),
            sample(0.25, __name__="wait_sum"),
            sample(1, __name__="wait_count"),
        ),
    ),
    WrittenFamily(
        metadata=Metadata(name="my.metric", type="unknown"),
        samples=(sample(-1, **{"__name__": "my.metric", "a.b": "1"}),),
    ),
)
TEXT = r"""# HELP scrapes_total Scrapes,\nby "job" \\.
# TYPE scrapes_total counter
scrapes_total{job="a\"b\\c\nd"} 3
scrapes_total 1e+06
# TYPE size_bytes gauge
size_bytes NaN 1700000000123
# TYPE wait histogram
wait_bucket{le="+Inf"} 1
wait_sum 0.25
wait_count 1
# TYPE my_metric untyped
my_metric{a_b="1"} -1
"""
OPENMETRICS = r"""# HELP scrapes Scrapes,\nby \"job\" \\.
# TYPE scrapes counter
scrapes_total{job="a\"b\\c\nd"} 3.0
scrapes_total 1e+06
# TYPE size_bytes gauge
# UNIT size_bytes bytes
size_bytes NaN 1.700000000123e+09
# TYPE wait histogram
wait_bucket{le="+Inf"} 1.0
wait_sum 0.25
wait_count 1.0
# TYPE "my.metric" unknown
{"my.metric","a.b"="1"} -1.0
# EOF
"""


def test_the_text_format_is_written_as_go_clients_write_it() -> None:
    assert write_page(FAMILIES, Format.TEXT_0).decode() == TEXT


def test_openmetrics_is_written_as_go_clients_write_it() -> None:
    assert write_page(FAMILIES, Format.OPENMETRICS_1, Escaping.ALLOW_UTF8).decode() == OPENMETRICS


@pytest.mark.parametrize("page_format", list(Format))
def test_what_is_written_can_be_read(page_format: Format) -> None:
    page = page_reader(page_format).read(write_page(FAMILIES, page_format, Escaping.ALLOW_UTF8))
    written = [s for family in FAMILIES for s in family.samples]
    assert page.series.labels == tuple(s.labels for s in written)
    assert list(map(repr, array("d", page.values))) == [repr(float(s.value)) for s in written]
    assert page.times is not None
    assert page.times[2] == 1700000000123


def test_openmetrics_is_taken_by_the_strictest_of_readers() -> None:
    page = write_page(FAMILIES[:3], Format.OPENMETRICS_1)
    assert [family.name for family in text_string_to_metric_families(page.decode())] == [
        "scrapes",
        "size_bytes",
        "wait",
    ]


def test_a_counter_without_total_is_of_unknown_type_in_openmetrics() -> None:
    family = WrittenFamily(
        metadata=Metadata(name="odd", type="counter"), samples=(sample(1, __name__="odd"),)
    )
    assert write_page([family], Format.OPENMETRICS_1) == b"# TYPE odd unknown\nodd 1.0\n# EOF\n"


@pytest.mark.parametrize(
    ("name", "underscores", "dots", "values"),
    [
        ("plain_name", "plain_name", "plain__name", "plain_name"),
        ("my.metric", "my_metric", "my_dot_metric", "U__my_2e_metric"),
        ("a_b c", "a_b_c", "a__b__c", "U__a__b_20_c"),
        ("1st", "_st", "__st", "U___31_st"),
        ("größe", "gr__e", "gr____e", "U__gr_f6__df_e"),
    ],
)
def test_names_are_escaped_for_clients_that_know_no_utf8(
    name: str, underscores: str, dots: str, values: str
) -> None:
    assert escape_name(name, Escaping.UNDERSCORES) == underscores
    assert escape_name(name, Escaping.DOTS) == dots
    assert escape_name(name, Escaping.VALUES) == values
    assert escape_name(name, Escaping.ALLOW_UTF8) == name
