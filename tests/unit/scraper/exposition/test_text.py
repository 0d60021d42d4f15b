"""The text format: what is taken, how, and what Prometheus says of the rest."""

from __future__ import annotations

from array import array

import pytest

from pillion.scraper.exposition import NO_TIME, ExpositionError, Format, Page, page_reader
from pillion.scraper.exposition.dialects import dialect_of
from pillion.scraper.exposition.drafts import times_column
from pillion.scraper.exposition.reader import read_carefully
from pillion.scraper.samples import Metadata


def read(text: str | bytes, page_format: Format = Format.TEXT_0) -> Page:
    return page_reader(page_format).read(text if isinstance(text, bytes) else text.encode())


def samples(page: Page) -> list[tuple[dict[str, str], float]]:
    return [
        (dict(labels), value)
        for labels, value in zip(page.series.labels, array("d", page.values), strict=True)
    ]


def named(name: str, **labels: str) -> dict[str, str]:
    return {"__name__": name, **labels}


@pytest.mark.parametrize(
    ("line", "labels"),
    [
        ("jobs 1", named("jobs")),
        ("jobs{} 1", named("jobs")),
        ('jobs{queue="mail"} 1', named("jobs", queue="mail")),
        ('jobs{queue="mail",} 1', named("jobs", queue="mail")),
        ('jobs{queue="mail" , kind = "x" } 1', named("jobs", queue="mail", kind="x")),
        ('jobs{queue="mail" kind="x"} 1', named("jobs", queue="mail", kind="x")),
        ('jobs {queue="mail"} 1', named("jobs", queue="mail")),
        ('jobs{queue="mail"}1', named("jobs", queue="mail")),
        ("jobs\t  1 \t", named("jobs")),
        ('jobs{queue=""} 1', named("jobs", queue="")),
        ('{""} 1', named("")),
        ('jobs{z="1",B="2"} 1', named("jobs", z="1", B="2")),
        ("rule:jobs:rate5m 1", named("rule:jobs:rate5m")),
        (r'jobs{path="C:\\new",said="\"hi\"\n",odd="\t"} 1', named("jobs", path="C:\\new", said='"hi"\n', odd=r"\t")),
        ('jobs{queue="a\nb 2\nc"} 1', named("jobs", queue="a\nb 2\nc")),
        ('jobs{queue="{},= \\" # ü€"} 1', named("jobs", queue='{},= " # ü€')),
        ('jobs{queue="a\0b"} 1', named("jobs", queue="a\0b")),
        ('{"jobs.done",queue="mail"} 1', named("jobs.done", queue="mail")),
        ('{queue="mail","jobs.done"} 1', named("jobs.done", queue="mail")),
        (r'{"jobs \"done\"","the queue"="mail"} 1', {"__name__": 'jobs "done"', "the queue": "mail"}),
        (" jobs 1", named(" jobs")),
    ],
)  # fmt: skip
def test_a_series_may_be_written_in_many_ways(line: str, labels: dict[str, str]) -> None:
    for page_format in (Format.TEXT_0, Format.TEXT_1):
        page = read(line, page_format)
        assert samples(page) == [(labels, 1.0)]
        assert list(page.series.labels[0]) == sorted(labels.items())


def test_comments_and_empty_lines_and_a_missing_last_line_break_do_no_harm() -> None:
    page = read(
        "# made by hand\n#\n\n \t\n# UNIT jobs seconds\n# TYPEX\n#EOF\njobs 1\n\n# HELP jobs\njobs_done 2"
    )
    assert samples(page) == [(named("jobs"), 1.0), (named("jobs_done"), 2.0)]


def test_a_page_ends_at_a_nul_where_a_line_could_begin() -> None:
    assert samples(read("jobs 1\n\0jobs_done 2\n")) == [(named("jobs"), 1.0)]


def test_a_target_may_have_nothing_to_say() -> None:
    page = read("")
    assert (page.series.labels, page.values, page.times) == ((), b"", None)


def test_times_are_those_of_the_page() -> None:
    page = read("jobs 1 1700000000123\njobs_done 2\nold 3 0\n")
    assert page.times == array("q", [1700000000123, NO_TIME, 0])
    assert read("jobs 1\n").times is None


def test_an_error_tells_the_series_before_it() -> None:
    with pytest.raises(ExpositionError) as caught:
        read("jobs 1\njobs_done 2\njobs x\nold 3\n")
    assert caught.value.read == ((("__name__", "jobs"),), (("__name__", "jobs_done"),))


@pytest.mark.parametrize(
    ("line", "labels"),
    [
        ('jobs{x="2",x="1"} 1', (("__name__", "jobs"), ("x", "2"), ("x", "1"))),
        ('jobs{__name__="x"} 1', (("__name__", "jobs"), ("__name__", "x"))),
    ],
)
def test_labels_that_come_twice_come_twice(line: str, labels: tuple[tuple[str, str], ...]) -> None:
    assert read(line).series.labels == (labels,)


def test_series_that_come_twice_come_twice() -> None:
    assert samples(read("jobs 1\njobs 2\njobs{} 3\n")) == [
        (named("jobs"), 1),
        (named("jobs"), 2),
        (named("jobs"), 3),
    ]


@pytest.mark.parametrize(
    ("page", "written"),
    [
        ('# TYPE d histogram\nd_bucket{le="1"} 0\n', ("le", "1.0")),
        ('# TYPE d histogram\nd_bucket{le="1000000"} 0\n', ("le", "1e+06")),
        ('# TYPE d histogram\nd_bucket{le="+Inf"} 0\n', ("le", "+Inf")),
        ('# TYPE d histogram\nd_bucket{le="all"} 0\n', ("le", "all")),
        ('# TYPE d summary\nd{quantile="0"} 0\n', ("quantile", "0.0")),
        ('# TYPE d summary\nd{quantile="0.99"} 0\n', ("quantile", "0.99")),
        ('# TYPE d summary\nd{le="1"} 0\n', ("le", "1")),
        ('# TYPE d gauge\nd{le="1"} 0\n', ("le", "1")),
        ('# TYPE d histogram\nother{le="1"} 0\n', ("le", "1.0")),
        ('d{le="1"} 0\n', ("le", "1")),
    ],
)
def test_bounds_are_floats_whatever_the_format_that_was_negotiated(
    page: str, written: tuple[str, str]
) -> None:
    assert written in read(page).series.labels[0]


def test_the_bounds_of_a_known_series_follow_its_type() -> None:
    reader = page_reader(Format.TEXT_0)
    line = b'd{le="1"} 0\n'
    bounds = [
        dict(reader.read(body).series.labels[0])["le"]
        for body in (line, b"# TYPE d histogram\n" + line, line, b"# TYPE d gauge\n" + line)
    ]
    assert bounds == ["1", "1.0", "1", "1"]


def test_metadata_are_those_of_the_family() -> None:
    page = read(
        "# HELP requests_total Requests,\\nby \\\\ code.\n"
        "# TYPE requests_total counter\n"
        "requests_total 1\n"
        "stray 2\n"
        "# TYPE wait histogram\n"
        'wait_bucket{le="1"} 1\n'
        "wait_sum 1\n"
        "wait_count 1\n"
        "wait_max 1\n"
        "# TYPE load untyped\n"
        "load 1\n"
        "# HELP wait Comes late.\n"
    )
    requests = Metadata(name="requests_total", type="counter", help="Requests,\nby \\ code.")
    wait = Metadata(name="wait", type="histogram", help="Comes late.")
    load = Metadata(name="load", type="unknown")
    assert page.series.metadata == (requests, None, wait, wait, wait, None, load)
    assert page.series.metadata[2] is page.series.metadata[3]


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ("jobs", r'line 1: expected value after metric, got "\n" ("INVALID") while parsing: "jobs\n"'),
        (
            "a 1\njobs 1 2 3\n",
            r'line 2: expected next entry after timestamp, got "3\n" ("TIMESTAMP") while parsing: "jobs 1 2 3\n"',
        ),
        ("jobs yes\n", 'line 1: strconv.ParseFloat: parsing "yes": invalid syntax while parsing: "jobs yes"'),
        (
            "jobs 1\r\n",
            r'line 1: strconv.ParseFloat: parsing "1\r": invalid syntax while parsing: "jobs 1\r"',
        ),
        ("a 1\n\r\n", r'line 2: expected a valid start token, got "\r" ("INVALID") while parsing: "\r"'),
        ("jobs 1_000\n", 'line 1: unsupported character in float while parsing: "jobs 1_000"'),
        (
            "jobs 1 -5\n",
            'line 1: expected timestamp or new record, got "-" ("INVALID") while parsing: "jobs 1 -"',
        ),
        (
            "jobs 1 1.5\n",
            'line 1: expected next entry after timestamp, got "." ("INVALID") while parsing: "jobs 1 1."',
        ),
        (
            f"a 1 {2**63}\n",
            f'line 1: strconv.ParseInt: parsing "{2**63}": value out of range while parsing: "a 1 {2**63}"',
        ),
        (
            "jobs{queue='x'} 1\n",
            """line 1: expected label value, got "'" ("INVALID") while parsing: "jobs{queue='\"""",
        ),
        ('jobs{1x="y"} 1\n', 'line 1: expected label name, got "1" ("INVALID") while parsing: "jobs{1"'),
        (
            'jobs{x="y" 1\n',
            'line 1: expected label name, got "1" ("INVALID") while parsing: "jobs{x=\\"y\\" 1"',
        ),
        (b'jobs{x="\xff"} 1\n', r'line 1: invalid UTF-8 label value: "\"\xff\""'),
        (b"\xff 1\n", r'line 1: expected a valid start token, got "\xff" ("INVALID") while parsing: "\xff"'),
        ('{x="y"} 1\n', r'line 1: metric name not set while parsing: "{x=\"y\"} 1"'),
        ('{"a","b"} 1\n', r'line 1: metric name already set while parsing: "{\"a\",\"b\"}"'),
        ('jobs{"b"} 1\n', r'line 1: metric name already set while parsing: "jobs{\"b\"}"'),
        ("1x 1\n", 'line 1: expected a valid start token, got "1" ("INVALID") while parsing: "1"'),
        ("# TYPE jobs timer\n", 'line 1: invalid metric type "timer"'),
        ("# TYPE jobs counter \n", 'line 1: invalid metric type "counter "'),
        ("# TYPE jobs info\n", 'line 1: invalid metric type "info"'),
        (
            "# TYPE 1x counter\n",
            'line 1: expected metric name after TYPE, got "1" ("INVALID") while parsing: "# TYPE 1"',
        ),
        (b"# HELP jobs \xff\n", r'line 1: help text "\xff" is not a valid utf8 string'),
        ('jobs{""="x"} 1\n', 'line 1: invalid metric name or label names: ""'),
        (b'{"\xff"} 1\n', r'line 1: invalid metric name or label names: "\xff"'),
    ],
)
def test_one_wrong_line_fails_the_page_with_prometheus_words_and_its_line(
    page: str | bytes, message: str
) -> None:
    with pytest.raises(ExpositionError) as caught:
        read(page)
    assert str(caught.value) == message
    good = b"" if isinstance(page, str) and page.startswith("a 1\n") else b"fine 1\n"
    reader = page_reader(Format.TEXT_0)
    reader.read(b"fine 2\n")
    with pytest.raises(ExpositionError, match=r"^line \d: "):
        reader.read(good + (page.encode() if isinstance(page, str) else page))
    assert reader.read(b"fine 3\n").series.labels == ((("__name__", "fine"),),)


def test_a_message_does_not_show_a_whole_page() -> None:
    with pytest.raises(ExpositionError) as caught:
        read('jobs{x="' + "y" * 100_000)
    assert len(str(caught.value)) < 1500


@pytest.mark.parametrize("at", [0, 31, 32, 50, 99])
@pytest.mark.parametrize(
    "line", ['n{i="x"} 7 1700000000000', "", 'n{i="x",i="y"} 7', 'n {i="x"} 7', '{"odd name",i="x"} 7']
)
def test_one_unusual_line_among_many_changes_nothing_for_the_others(line: str, at: int) -> None:
    lines = [f'n{{i="{number}"}} {number}' for number in range(100)]
    lines[at] = line
    body = "\n".join([*lines, ""]).encode()
    page = page_reader(Format.TEXT_0).read(body)
    careful = read_carefully(body, dialect_of(Format.TEXT_0), has_starts=False)
    assert page.series.labels == tuple(careful.labels)
    assert array("d", page.values) == careful.values
    assert page.times == times_column(careful.times, len(careful.labels))
