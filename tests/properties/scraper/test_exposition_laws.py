"""Pages read quickly give what the careful parser gives, whatever page came before; and no bytes break either."""

from __future__ import annotations

import random
import struct
from array import array
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from prometheus_client.openmetrics import parser as openmetrics_reference
from prometheus_client.parser import text_string_to_metric_families

from pillion.scraper.exposition import NO_TIME, ExpositionError, Format, Page, page_reader
from pillion.scraper.exposition.dialects import dialect_of
from pillion.scraper.exposition.numbers import NAN
from pillion.scraper.exposition.reader import _TargetReader, read_carefully

NAMES = st.sampled_from(["a", "a_total", "h_bucket", "h_sum", "h_count", "h_created", "up", "x:y", "q", "_b"])
LABELS = st.dictionaries(
    st.sampled_from(["le", "quantile", "b", "code", "__x", "B"]),
    st.one_of(
        st.sampled_from(
            [
                "",
                "1",
                "0.5",
                "+Inf",
                "1e6",
                "GET",
                "a b",
                'q"uote',
                "back\\slash",
                "new\nline",
                "ü",
                "}",
                "x,y",
                '",',
            ]
        )
    ),
    max_size=3,
)
VALUES = st.sampled_from(
    ["0", "1", "-0", "1.5", "1e+06", "4.9e-05", "NaN", "+Inf", "-Inf", "Inf", "nan", ".5", "1.", "+1", "007",
     "1e400", "1_0", "0x1p3",
     "18446744073709551616", "123456789012345678901", "-1.25"]
)  # fmt: skip
GOOD_VALUES = st.one_of(
    st.sampled_from(["0", "1", "-0", "1.5", "1e+06", "NaN", "+Inf", "-Inf", ".5", "1.", "+1", "infinity"]),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.integers(-(10**20), 10**20).map(str),
)


def escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


@st.composite
def series(draw: st.DrawFn) -> str:
    name, labels = draw(NAMES), draw(LABELS)
    pairs = [f'{key}="{escaped(value)}"' for key, value in labels.items()]
    match draw(st.integers(0, 12)):
        case 0:
            return "{" + ",".join([f'"{name}.quoted"', *pairs]) + "}"
        case 1:
            return f"{name}{{{','.join([*pairs, ''])}}}" if pairs else f"{name}{{}}"
        case 2 if pairs:
            return f"{name}{{{','.join([*pairs, pairs[0]])}}}"
        case _:
            return f"{name}{{{','.join(pairs)}}}" if pairs else name


@st.composite
def text_line(draw: st.DrawFn, values: st.SearchStrategy[str]) -> str:
    match draw(st.integers(0, 19)):
        case 0:
            return draw(st.sampled_from(["", "#", "# a comment", "#x", " ", "# HELP", "# EOF", "# HELP a\r"]))
        case 1 | 2:
            family = draw(st.sampled_from(["a", "h", "q", '"a.quoted"', "other"]))
            return f"# TYPE {family} {draw(st.sampled_from(['counter', 'gauge', 'histogram', 'summary', 'untyped']))}"
        case 3:
            return draw(
                st.sampled_from(["# HELP a some text", r"# HELP h a\nb \\ \"", "# HELP q  two", "# HELP q  "])
            )
        case 4:
            return f"{draw(series())}\t{draw(values)} "
        case 5:
            return f" {draw(series())}  {draw(values)}"
        case 6 | 7:
            return f"{draw(series())} {draw(values)} {draw(st.integers(0, 2**64))}"
        case 8 if draw(st.integers(0, 5)) == 0:
            return f'a{{b="one\nb 1\ntwo"}} {draw(values)}'
        case _:
            return f"{draw(series())} {draw(values)}"


@st.composite
def openmetrics_line(draw: st.DrawFn, values: st.SearchStrategy[str]) -> str:
    match draw(st.integers(0, 19)):
        case 0:
            return draw(
                st.sampled_from(
                    ["# UNIT a_seconds seconds", "# UNIT a ", "# HELP a text", r"# HELP h a\nb \" \\"]
                )
            )
        case 1 | 2 | 3:
            kind = draw(
                st.sampled_from(
                    ["counter", "gauge", "histogram", "gaugehistogram", "summary", "info", "unknown"]
                )
            )
            return f"# TYPE {draw(st.sampled_from(['a', 'h', 'q', 'other']))} {kind}"
        case 4:
            time = draw(st.sampled_from(["1.5", "1700000000.123", "-3", "NaN", "1e30"]))
            return f"{draw(series())} {draw(values)} {time}"
        case 5 | 6:
            labels = draw(
                st.sampled_from(
                    ['trace_id="abc"', 'a="b",c="d"', "", 'x="sp ace"', f'x="{"y" * 130}"', r'x="a\"b"']
                )
            )
            time = draw(st.sampled_from(["", " 1.5", " 1700000000.123"]))
            at = draw(st.sampled_from(["", " 12.5"]))
            return f"{draw(series())} {draw(values)}{at} # {{{labels}}} {draw(values)}{time}"
        case _:
            return f"{draw(series())} {draw(values)}"


def pages(line: Any, end: str, values: st.SearchStrategy[str]) -> st.SearchStrategy[bytes]:
    return st.lists(line(values), max_size=12).map(
        lambda lines: "".join([*(f"{x}\n" for x in lines), end]).encode()
    )


def good(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(*[values] * 9, VALUES)


TEXT_PAGES = pages(text_line, "", good(GOOD_VALUES))
OPENMETRICS_PAGES = pages(openmetrics_line, "# EOF\n", good(GOOD_VALUES))


def carefully(body: bytes, page_format: Format, *, starts: bool) -> Page:
    reader = _TargetReader(page_format, starts=starts)
    return reader._finish(read_carefully(body, dialect_of(page_format), has_starts=reader._starts), None)


def content(page: Page) -> tuple[Any, ...]:
    exemplars = [(e.index, e.labels, struct.pack("<d", e.value), e.time) for e in page.exemplars]
    return (page.series.labels, page.series.metadata, page.values, page.times, page.starts, exemplars)


def outcome(read: Any, *arguments: Any, **options: Any) -> Any:
    try:
        return content(read(*arguments, **options))
    except ExpositionError as error:
        text = str(error)
    assert "\n" not in text
    return text


def revalued(body: bytes, seed: int) -> bytes:
    """Other numbers on the same lines, and perhaps a line more or less."""
    chance = random.Random(seed)
    lines = body.split(b"\n")
    for index, line in enumerate(lines):
        if not line.startswith(b"#") and line.count(b" ") == 1 and chance.random() < 0.8:
            lines[index] = (
                line.partition(b" ")[0]
                + b" "
                + chance.choice([b"17", b"0.25", b"NaN", b"-0", b"1e5", b"+Inf", b"bad"])
            )
    if len(lines) > 2 and chance.random() < 0.3:
        lines.pop(chance.randrange(len(lines) - 2))
    return b"\n".join(lines)


@pytest.mark.parametrize(
    ("page_format", "bodies"), [(Format.TEXT_0, TEXT_PAGES), (Format.OPENMETRICS_1, OPENMETRICS_PAGES)]
)
def test_a_page_is_the_same_whichever_way_it_is_read(
    page_format: Format, bodies: st.SearchStrategy[bytes]
) -> None:
    @given(st.lists(bodies, min_size=1, max_size=2), st.integers(0, 10**6), st.booleans())
    @settings(max_examples=150, deadline=None)
    def hold(drawn: list[bytes], seed: int, starts: bool) -> None:
        reader = page_reader(page_format, starts=starts)
        for body in drawn:
            for version in (body, body, revalued(body, seed), revalued(body, seed + 1), body):
                if version:
                    assert outcome(reader.read, version) == outcome(
                        carefully, version, page_format, starts=starts
                    )

    hold()


@pytest.mark.parametrize(
    ("page_format", "bodies"), [(Format.TEXT_0, TEXT_PAGES), (Format.OPENMETRICS_1, OPENMETRICS_PAGES)]
)
def test_no_bytes_make_another_error_than_a_failed_scrape(
    page_format: Format, bodies: st.SearchStrategy[bytes]
) -> None:
    @given(bodies, st.integers(0, 10**6), st.binary(min_size=1, max_size=3))
    @settings(max_examples=150, deadline=None)
    def hold(body: bytes, seed: int, noise: bytes) -> None:
        chance = random.Random(seed)
        reader = page_reader(page_format)
        outcome(reader.read, body)
        for _ in range(4):
            at = chance.randrange(len(body) + 1)
            cut = chance.choice([0, 0, 1, 5])
            spice = chance.choice(
                [noise, b'"', b"\\", b"{", b"}", b"\n", b"\0", b" ", b"\t", b"#", b",", b"=", b"\xff", b"\r"]
            )
            broken = body[:at] + spice + body[at + cut :]
            assert outcome(reader.read, broken) == outcome(carefully, broken, page_format, starts=False)

    hold()


@given(st.binary(max_size=60))
@settings(max_examples=250, deadline=None)
def test_noise_is_read_like_anything_else(body: bytes) -> None:
    for page_format in (Format.TEXT_0, Format.OPENMETRICS_1):
        if body:
            assert outcome(page_reader(page_format).read, body) == outcome(
                carefully, body, page_format, starts=False
            )


@given(st.lists(GOOD_VALUES, min_size=1, max_size=30))
@example(["NaN", "1"])
@settings(max_examples=200, deadline=None)
def test_values_are_those_of_python(values: list[str]) -> None:
    body = "".join(f"a{index} {value}\n" for index, value in enumerate(values)).encode()
    expected = [NAN if value == "NaN" else float(value) for value in values]
    assert page_reader(Format.TEXT_0).read(body).values == array("d", expected).tobytes()


DIFFERENT = (b"le=", b"quantile=", b"\n ")
"""What Prometheus does in its own way: it writes these labels anew, and has blanks before a name in the name."""


def shown(value: float) -> str:
    """The client reads -0 as an integer, which has one zero."""
    return repr(value + 0.0)


def reference(body: bytes, page_format: Format) -> list[tuple[Any, ...]] | None:
    """As the Python client reads it; None: it refuses the page."""
    parse = (
        text_string_to_metric_families
        if page_format is Format.TEXT_0
        else openmetrics_reference.text_string_to_metric_families
    )
    try:
        families = list(parse(body.decode()))
    except (ValueError, KeyError, IndexError, AttributeError, TypeError, OverflowError):
        return None
    rows = []
    for family in families:
        for sample in family.samples:
            labels = {**sample.labels, "__name__": sample.name}
            kept = tuple(sorted((name, value) for name, value in labels.items() if value))
            rows.append((kept, shown(float(sample.value))))
    return rows


@pytest.mark.parametrize(
    ("page_format", "bodies"), [(Format.TEXT_0, TEXT_PAGES), (Format.OPENMETRICS_1, OPENMETRICS_PAGES)]
)
def test_pages_that_the_python_client_reads_too_are_read_alike(
    page_format: Format, bodies: st.SearchStrategy[bytes]
) -> None:
    agreed = 0

    @given(bodies)
    @settings(max_examples=400, deadline=None, derandomize=True)  # how many agree must not depend on the day
    def hold(body: bytes) -> None:
        nonlocal agreed
        expected = reference(body, page_format)
        if expected is None or not body or any(part in b"\n" + body for part in DIFFERENT):
            return
        if page_format is Format.TEXT_0 and b" counter\n" in body:
            return  # the client gives their names a `_total`
        try:
            page = page_reader(page_format).read(body)
        except ExpositionError:
            return
        if len(set(page.series.labels)) < len(page.series.labels):
            return  # the client leaves some of them out
        if any(len(dict(labels)) < len(labels) for labels in page.series.labels):
            return  # a label that comes twice, which the client overwrites
        agreed += bool(expected)
        kept = [tuple(pair for pair in labels if pair[1]) for labels in page.series.labels]
        got = list(zip(kept, map(shown, array("d", page.values)), strict=True))
        assert sorted(got) == sorted(expected)

    hold()
    assert agreed > 0


def test_a_time_is_of_its_series() -> None:
    page = page_reader(Format.TEXT_0).read(b"a 1\nb 2 1700000000000\n")
    assert page.times == array("q", [NO_TIME, 1700000000000])
