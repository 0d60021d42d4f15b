"""OpenMetrics: exemplars, start timestamps, units, and how strict it is."""

from __future__ import annotations

from array import array

import pytest

from pillion.scraper.exposition import NO_TIME, ExpositionError, Format, Page, page_reader
from pillion.scraper.samples import Exemplar, Metadata


def read(*lines: str, starts: bool = False) -> Page:
    body = "".join(f"{line}\n" for line in (*lines, "# EOF")).encode()
    return page_reader(Format.OPENMETRICS_1, starts=starts).read(body)


def names(page: Page) -> list[str]:
    return [dict(labels)["__name__"] for labels in page.series.labels]


def test_a_page_may_end_with_or_without_a_line_break_and_hold_nothing() -> None:
    reader = page_reader(Format.OPENMETRICS_0)
    assert reader.read(b"# EOF").series.labels == ()
    assert reader.read(b"a 1\n# EOF").series is reader.read(b"a 2\n# EOF\n").series


def test_times_are_seconds_and_cut_to_milliseconds() -> None:
    page = read("a 1 1700000000.1239", "b 2", "c 3 -0.5", "d 4 7")
    assert page.times == array("q", [1700000000123, NO_TIME, -500, 7000])


def test_all_types_units_and_late_texts_are_metadata() -> None:
    page = read(
        "# TYPE wait_seconds gaugehistogram", "# UNIT wait_seconds seconds", r'# HELP wait_seconds Of \"all\".',
        'wait_seconds_bucket{le="1"} 1', "wait_seconds_gsum 1", "wait_seconds_gcount 1",
        "# TYPE build info", 'build_info{version="1"} 1',
        "# TYPE phase stateset", 'phase{phase="a"} 1',
        "# TYPE done counter", "done_total 1", "done_created 1",
        "# TYPE odd unknown", "odd 1",
    )  # fmt: skip
    wait = Metadata(name="wait_seconds", type="gaugehistogram", help='Of "all".', unit="seconds")
    build, phase = Metadata(name="build", type="info"), Metadata(name="phase", type="stateset")
    done, odd = Metadata(name="done", type="counter"), Metadata(name="odd", type="unknown")
    assert page.series.metadata == (wait, wait, wait, build, phase, done, None, odd)
    assert ("le", "1") in page.series.labels[0]


def test_exemplars_are_those_of_their_series() -> None:
    page = read(
        "# TYPE d histogram",
        'd_bucket{le="0.1"} 8 # {trace_id="4bf9"} 0.07 1700000000.25',
        'd_bucket{le="1"} 9',
        'd_bucket{le="+Inf"} 10 1700000001 # {trace_id="77aa",span_id="b7"} 3',
        "d_sum 5 # {} 4",
        r'd_count 10 # {"the.id"="x",said="a\"b"} 1',
    )  # fmt: skip
    assert page.exemplars == (
        Exemplar(index=0, labels=(("trace_id", "4bf9"),), value=0.07, time=1700000000250),
        Exemplar(index=2, labels=(("span_id", "b7"), ("trace_id", "77aa")), value=3.0, time=None),
        Exemplar(index=3, labels=(), value=4.0, time=None),
        Exemplar(index=4, labels=(("said", r"a\"b"), ("the.id", "x")), value=1.0, time=None),
    )
    assert page.times is not None
    assert page.times[2] == 1700000001000


@pytest.mark.parametrize("labels", [f'x="{"y" * 128}"', 'x="1",x="2"', f'x="{"ü" * 64}",z="{"é" * 63}"'])
def test_an_exemplar_that_no_storage_takes_is_left_out(labels: str) -> None:
    page = read(f"a_total 1 # {{{labels}}} 1")
    assert (names(page), page.exemplars) == (["a_total"], ())


def test_an_exemplar_of_128_characters_is_kept() -> None:
    assert len(read(f'a_total 1 # {{x="{"ü" * 127}"}} 1').exemplars) == 1


CREATED = (
    "# TYPE done counter",
    'done_total{queue="a"} 5',
    'done_created{queue="a"} 1700000000.5',
    'done_total{queue="b"} 6',
    "# TYPE d histogram",
    'd_bucket{le="1.0",path="/"} 1 # {id="1"} 1',
    'd_bucket{le="+Inf",path="/"} 2',
    'd_count{path="/"} 2',
    'd_created{path="/"} 1700000001',
    'd_sum{path="/"} 2',
    "# TYPE s summary",
    's{quantile="0.5"} 1',
    "s_created 1700000002.123",
    "# TYPE age gauge",
    "age_created 17",
)


def test_created_lines_are_series_by_default() -> None:
    page = read(*CREATED)
    assert names(page).count("d_created") == 1
    assert len(page.series.labels) == 11
    assert page.starts is None


def test_created_lines_are_starts_where_that_is_wanted() -> None:
    page = read(*CREATED, starts=True)
    assert names(page) == [
        "done_total",
        "done_total",
        "d_bucket",
        "d_bucket",
        "d_count",
        "d_sum",
        "s",
        "age_created",
    ]
    assert page.starts == array(
        "q", [1700000000500, 0, 1700000001000, 1700000001000, 1700000001000, 1700000001000, 1700000002123, 0]
    )
    assert array("d", page.values)[-1] == 17
    assert [exemplar.index for exemplar in page.exemplars] == [2]


def test_starts_change_without_a_change_of_the_series() -> None:
    reader = page_reader(Format.OPENMETRICS_1, starts=True)
    pages = [
        reader.read(f"# TYPE a counter\na_total {value}\na_created {start}\n# EOF\n".encode())
        for value, start in ((1, 5), (2, 5), (1, 6))
    ]
    assert pages[0].series is pages[1].series is pages[2].series
    assert [page.starts for page in pages] == [array("q", [start]) for start in (5000, 5000, 6000)]


@pytest.mark.parametrize(
    "lines",
    [
        ("# TYPE d histogram", "d_created 1700000000", "d_count 1"),
        ("# TYPE a counter", 'a_total{x="1"} 1', 'a_created{x="2"} 1700000000'),
        ("# TYPE a counter", "a_total 1", "# TYPE b counter", "a_created 1700000000"),
        ("a_total 1", "a_created 1700000000"),
        ("# TYPE a counter", "a_total 1", "a_created NaN"),
        ("# TYPE a counter", "a_total 1", "a_created -1"),
    ],
    ids=["before", "of another series", "behind another family", "of no type", "no number", "before 1970"],
)
def test_a_created_line_that_prometheus_does_not_connect_starts_nothing(lines: tuple[str, ...]) -> None:
    page = read(*lines, starts=True)
    assert page.starts is None or not any(page.starts)


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ("a 1\n", "line 2: data does not end with # EOF"),
        ("a 1", "line 1: data does not end with # EOF"),
        ("# EOF\na 1\n", "line 1: unexpected data after # EOF"),
        ("# EOF\n\n", "line 1: unexpected data after # EOF"),
        ("a 1\n# EOF\na 2\n# EOF\n", "line 2: unexpected data after # EOF"),
        ("a 1\n\n# EOF\n", r'line 2: expected a valid start token, got "\n" ("INVALID") while parsing: "\n"'),
        (" a 1\n# EOF\n", 'line 1: expected a valid start token, got " " ("INVALID") while parsing: " "'),
        (
            "# a comment\n# EOF\n",
            'line 1: expected a valid start token, got "# a" ("INVALID") while parsing: "# a"',
        ),
        ("a  1\n# EOF\n", 'line 1: expected value after metric, got "  " ("INVALID") while parsing: "a  "'),
        ("a\t1\n# EOF\n", r'line 1: expected value after metric, got "\t" ("INVALID") while parsing: "a\t"'),
        (
            "a 1 \n# EOF\n",
            r'line 1: expected a valid start token, got "\n#" ("LINEBREAK") while parsing: "\n#"',
        ),
        (
            "a 1\r\n# EOF\n",
            r'line 1: strconv.ParseFloat: parsing "1\r": invalid syntax while parsing: "a 1\r"',
        ),
        (
            "a 1 yes\n# EOF\n",
            'line 1: strconv.ParseFloat: parsing "yes": invalid syntax while parsing: "a 1 yes"',
        ),
        ("a 1 +Inf\n# EOF\n", "line 1: invalid timestamp +Inf"),
        ("a 1 # {} 1 NaN\n# EOF\n", "line 1: invalid exemplar timestamp NaN"),
        (
            "a 1 # {} 1 2 3\n# EOF\n",
            (
                r'line 1: expected next entry after exemplar timestamp, got " 3\n" ("TIMESTAMP") '
                r'while parsing: "a 1 # {} 1 2 3\n"'
            ),
        ),
        (
            "a 1 # {}\n# EOF\n",
            r'line 1: expected value after exemplar labels, got "\n" ("INVALID") while parsing: "a 1 # {}\n"',
        ),
        (
            "a 1 # {x} 1\n# EOF\n",
            'line 1: expected label name, got "} " ("BCLOSE") while parsing: "a 1 # {x} "',
        ),
        (
            "a 1 # {x=y} 1\n# EOF\n",
            'line 1: expected label value, got "y" ("INVALID") while parsing: "a 1 # {x=y"',
        ),
        (
            'a{x="1"y="2"} 1\n# EOF\n',
            r'line 1: expected comma or brace close, got "y=" ("LNAME") while parsing: "a{x=\"1\"y="',
        ),
        (
            'a{x="1", y="2"} 1\n# EOF\n',
            r'line 1: expected label name, got " " ("INVALID") while parsing: "a{x=\"1\", "',
        ),
        ("# TYPE a untyped\n# EOF\n", 'line 1: invalid metric type "untyped"'),
        ("# TYPE a\n# EOF\n", "line 1: expected text in TYPE"),
        ("# HELP a\n# EOF\n", "line 1: expected text in HELP"),
        ("# UNIT wait minutes\n# EOF\n", 'line 1: unit "minutes" not a suffix of metric "wait"'),
        (
            "# UNIT waitminutes minutes\n# EOF\n",
            'line 1: unit "minutes" not a suffix of metric "waitminutes"',
        ),
        (
            "# TYPE 1a counter\n# EOF\n",
            'line 1: expected metric name after TYPE, got "1" ("INVALID") while parsing: "# TYPE 1"',
        ),
    ],
)
def test_one_wrong_line_fails_the_page_with_prometheus_words_and_its_line(page: str, message: str) -> None:
    reader = page_reader(Format.OPENMETRICS_1)
    reader.read(b"fine 1\n# EOF\n")
    with pytest.raises(ExpositionError) as caught:
        reader.read(page.encode())
    assert str(caught.value) == message
