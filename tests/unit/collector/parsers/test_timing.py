"""Times as Fluent Bit's strptime and its fractions read them."""

from __future__ import annotations

import datetime
import zoneinfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pillion.collector.configuration.parsers import ParserSettings
from pillion.collector.parsers.timing import TimeReader, parse_offset

NOW = int(datetime.datetime(2026, 11, 22, 10, 0, tzinfo=datetime.UTC).timestamp()) * 10**9


def reader(pattern: str, *, zone: datetime.tzinfo = datetime.UTC, **more: object) -> TimeReader:
    return TimeReader(ParserSettings(name="p", format="json", time_format=pattern, **more), zone)  # type: ignore[arg-type]


def read(pattern: str, text: str, **more: object) -> str | None:
    time = reader(pattern, **more).read(text, NOW)  # type: ignore[arg-type]
    if time is None:
        return None
    second, rest = divmod(time, 10**9)
    return (
        datetime.datetime.fromtimestamp(second, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{rest:09d}"
    )


@pytest.mark.parametrize(
    ("pattern", "text", "time"),
    [
        ("%Y-%m-%dT%H:%M:%S.%LZ", "2026-11-22T10:11:12.123Z", "2026-11-22T10:11:12.123000000"),
        ("%Y-%m-%dT%H:%M:%S.%LZ", "2026-11-22T10:11:12.123456789Z", "2026-11-22T10:11:12.123456789"),
        ("%Y-%m-%dT%H:%M:%S.%LZ", "2026-11-22T10:11:12.1234567890Z", None),
        ("%Y-%m-%dT%H:%M:%S.%LZ", "2026-11-22T10:11:12.Z", None),
        ("%Y-%m-%dT%H:%M:%S.%LZ", "2026-11-22T10:11:12Z", None),
        ("%Y-%m-%dT%H:%M:%S.%L", "2026-11-22T10:11:12.5Z and more", "2026-11-22T10:11:12.500000000"),
        ("%Y-%m-%dT%H:%M:%S.%L%z", "2026-11-22T10:11:12.5+02:00", "2026-11-22T08:11:12.500000000"),
        ("%Y-%m-%dT%H:%M:%S.%L %z", "2026-11-22T10:11:12.5 -0130", "2026-11-22T11:41:12.500000000"),
        ("%Y-%m-%dT%H:%M:%S%z", "2026-11-22T10:11:12Z", "2026-11-22T10:11:12.000000000"),
        ("%Y-%m-%dT%H:%M:%S%z", "2026-11-22T10:11:12-05", "2026-11-22T15:11:12.000000000"),
        ("%Y-%m-%dT%H:%M:%S %z", "2026-11-22T10:11:12 EST", "2026-11-22T15:11:12.000000000"),
        ("%Y-%m-%dT%H:%M:%S %z", "2026-11-22T10:11:12 UTC", "2026-11-22T10:11:12.000000000"),
        ("%Y-%m-%dT%H:%M:%S %z", "2026-11-22T10:11:12 CET", None),
        ("%Y-%m-%dT%H:%M:%S %Z", "2026-11-22T10:11:12 CET", "2026-11-22T09:11:12.000000000"),
        ("%Y-%m-%dT%H:%M:%S %Z", "2026-11-22T10:11:12 XYZ", None),
        ("%d/%b/%Y:%H:%M:%S %z", "10/Oct/2000:13:55:36 -0700", "2000-10-10T20:55:36.000000000"),
        ("%d/%B/%Y:%T %z", "10/october/2000:13:55:36 GMT", "2000-10-10T13:55:36.000000000"),
        ("%s", "1700000000", "2023-11-14T22:13:20.000000000"),
        ("%s.%L", "1700000000.25", "2023-11-14T22:13:20.250000000"),
        ("%s", "soon", None),
        ("%s", "99999999999999999999", None),
        ("%b %d %H:%M:%S", "Feb 28 14:05:06", "2026-02-28T14:05:06.000000000"),
        ("%b %e %H:%M:%S", "Feb  3 14:05:06", "2026-02-03T14:05:06.000000000"),
        ("%b %d %H:%M:%S.%L", "Feb  3 14:05:06.007", "2026-02-03T14:05:06.007000000"),
        ("%H:%M:%S", "14:05:06", "2026-11-22T14:05:06.000000000"),
        ("%y%m%d %k:%M:%S", "690203 4:05:06", "1969-02-03T04:05:06.000000000"),
        ("%y%m%d", "680203", "2068-02-03T00:00:00.000000000"),
        ("%C%y-%m-%d", "1968-02-03", "1968-02-03T00:00:00.000000000"),
        ("%Y-%j", "2024-060", "2024-02-29T00:00:00.000000000"),
        ("%D %R", "02/03/04 05:06", "2004-02-03T05:06:00.000000000"),
        ("%F %r", "2026-01-02 12:30:00 AM", "2026-01-02T00:30:00.000000000"),
        ("%F %I:%M %p", "2026-01-02 11:30 pm", "2026-01-02T23:30:00.000000000"),
        ("%c", "Sun Nov 22 10:11:12 2026", "2026-11-22T10:11:12.000000000"),
        ("%A, %d %b %Y %X", "Sunday, 22 Nov 2026 10:11:12", "2026-11-22T10:11:12.000000000"),
        ("%Y-%m-%d %U %u %V %g %G w%w%%%n%S", "2026-11-22 47 7 47 26 2026 w0%  05", "2026-11-22T00:00:05.000000000"),
        ("%Y-%m-%d", "2026-02-31", "2026-03-03T00:00:00.000000000"),
        ("%Y-%m-%d", "2026-13-01", None),
        ("%Y-%m-%d", "2026-1-2", "2026-01-02T00:00:00.000000000"),
        ("%Y-%m", "2026-03", "2026-02-28T00:00:00.000000000"),
        ("%EY-%Om-%d", "2026-01-02", "2026-01-02T00:00:00.000000000"),
        ("%Y-%m-%d %Q", "2026-01-02 1", None),
        ("%Y %m %d", "2026  01\t02", "2026-01-02T00:00:00.000000000"),
        ("%Y-%m-%d %H", "2026-01-02", None),
        ("%Y-%m-%d", "2026-01-02" + "x" * 60, None),
        ("%Y-%m-%dT%H:%M:%S,%L %d/%m/%Y", "2026-11-22T10:11:12,5 23/12/2027", "2027-12-23T10:11:12.500000000"),
        ("%S.%L %M", "01.5 02", "2026-11-22T00:02:01.500000000"),
        ("%Y-%m-%dT%H:%M:%S.%LZ", "٢٠٢٦-11-22T10:11:12.1Z", None),
    ],
)  # fmt: skip
def test_a_time_is_read_as_in_fluent_bit(pattern: str, text: str, time: str | None) -> None:
    assert read(pattern, text) == time
    again = reader(pattern)
    assert again.read(text, NOW) == again.read(text, NOW), "what is remembered is the same"


def test_neighbours_of_a_time_are_read_from_memory_to_the_same_effect() -> None:
    pattern = "%Y-%m-%dT%H:%M:%S.%LZ"
    texts = [
        f"2026-11-22T10:11:{second:02d}.{fraction}{end}"
        for second in (0, 1, 0, 59)
        for fraction in ("1", "123", "123456789", "1234567891", "")
        for end in ("Z", "", "Zulu", "+1")
    ]
    together = reader(pattern)
    assert [together.read(text, NOW) for text in texts] == [reader(pattern).read(text, NOW) for text in texts]
    assert together.read_all(texts, NOW) == [together.read(text, NOW) for text in texts]


@pytest.mark.parametrize(
    ("pattern", "text", "more", "time"),
    [
        ("%F %T", "2026-07-01 12:00:00", {"time_offset": "+0200"}, "2026-07-01T10:00:00.000000000"),
        ("%F %T %z", "2026-07-01 12:00:00 Z", {"time_offset": "+0200"}, "2026-07-01T12:00:00.000000000"),
        ("%F %T.%L", "2026-07-01 12:00:00.5", {"time_offset": "-01:30"}, "2026-07-01T13:30:00.500000000"),
        ("%F %T", "2026-07-01 12:00:00", {"time_system_timezone": True}, "2026-07-01T10:00:00.000000000"),
        ("%F %T", "2026-01-01 12:00:00", {"time_system_timezone": True}, "2026-01-01T11:00:00.000000000"),
        ("%F %T%z", "2026-01-01 12:00:00Z", {"time_system_timezone": True}, "2026-01-01T12:00:00.000000000"),
        ("%F %T", "2026-07-01 12:00:00", {"time_zone": "Europe/Berlin"}, "2026-07-01T10:00:00.000000000"),
        (
            "%F %T %z",
            "2026-07-01 12:00:00 Z",
            {"time_zone": "Europe/Berlin"},
            "2026-07-01T12:00:00.000000000",
        ),
    ],
)
def test_a_zone_comes_from_the_text_the_offset_or_the_machine(
    pattern: str, text: str, more: dict[str, object], time: str
) -> None:
    assert read(pattern, text, zone=zoneinfo.ZoneInfo("Europe/Berlin"), **more) == time


@pytest.mark.parametrize(
    ("pattern", "text", "time"),
    [
        ("%Y-%m-%dT%H:%M:%S.%L", "2026-11-22T10:11:12Z", "2026-11-22T10:11:12.000000000"),
        ("%Y-%m-%dT%H:%M:%S.%LZ", "2026-11-22T10:11:12.5", "2026-11-22T10:11:12.500000000"),
        ("%Y-%m-%dT%H:%M:%S", "2026-11-22 10:11:12", "2026-11-22T00:00:00.000000000"),
        ("%Y-%m-%dT%H:%M:%S", "yesterday", None),
    ],
)
def test_a_time_that_need_not_fit_is_what_could_be_read(pattern: str, text: str, time: str | None) -> None:
    assert read(pattern, text, time_strict=False) == time


def test_a_time_without_a_year_is_of_the_year_it_is_read_in() -> None:
    times = reader("%b %d %H:%M:%S")
    later = int(datetime.datetime(2027, 1, 1, tzinfo=datetime.UTC).timestamp()) * 10**9
    first, second = times.read("Dec 31 23:59:59", NOW), times.read("Dec 31 23:59:59", later)
    assert first is not None
    assert second is not None
    assert second - first == 365 * 86400 * 10**9


@pytest.mark.parametrize(
    ("text", "seconds"), [("+0200", 7200), ("-06:30", -23400), ("Z", 0), ("+0200x", 7200)]
)
def test_an_offset_has_a_sign(text: str, seconds: int) -> None:
    assert parse_offset(text) == seconds


@pytest.mark.parametrize("text", ["", "0200", "+2", "+ab00", "+9900"])
def test_what_is_no_offset_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="offset"):
        parse_offset(text)


HEADS = st.sampled_from(
    ["2026-11-22T10:11:12.", "2026-11-22T10:11:13.", "2026-02-29T10:11:12.", "2026-11-22 10:11:12."]
)
FRACTIONS = st.sampled_from(
    [
        "123",
        "124",
        "1",
        "123456",
        "123457",
        "12 456",
        "\u0661\u0662\u0663\u0664\u0665\u0666",
        "123456789",
        "1234567890",
        "",
    ]
)
ENDS = st.sampled_from(["Z", "+0100", "-0230", "", "7Z", "x"])
VALUES: st.SearchStrategy[object] = st.one_of(
    st.builds("{}{}{}".format, HEADS, FRACTIONS, ENDS),
    st.sampled_from(["", 5, None, 1.5, {}, ["2026"], True]),
)


@given(
    st.lists(st.lists(VALUES, min_size=1, max_size=6), min_size=1, max_size=5),
    st.sampled_from(["%Y-%m-%dT%H:%M:%S.%L%z", "%Y-%m-%dT%H:%M:%S.%LZ", "%Y-%m-%dT%H:%M:%S"]),
)
@settings(max_examples=400)
def test_times_recalled_are_the_times_read(batches: list[list[object]], pattern: str) -> None:
    remembering = reader(pattern)
    for values in batches:
        alone = [reader(pattern).read(value, NOW) if isinstance(value, str) else None for value in values]
        recalled = remembering.recall(values, NOW)
        assert recalled is None or recalled == alone
        texts = [value for value in values if isinstance(value, str)]
        assert remembering.read_all(texts, NOW) == [
            time for time, value in zip(alone, values, strict=True) if isinstance(value, str)
        ]


def test_times_like_those_before_are_recalled_at_once() -> None:
    remembering = reader("%Y-%m-%dT%H:%M:%S.%L%z")
    for digits in (3, 6):
        remembering.recall([f"2026-11-22T10:11:12.{0:0{digits}d}Z"], NOW)
        values = [f"2026-11-22T10:11:{second}.{second * 7:0{digits}d}Z" for second in range(10, 40)]
        assert remembering.recall(values, NOW) == [remembering.read(value, NOW) for value in values]
