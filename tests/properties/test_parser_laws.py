"""A buffer parsed at once gives the records that its lines give one by one."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.properties.test_records_laws import BODIES, spelled

from pillion.collector import records
from pillion.collector.configuration.parsers import ParserSettings
from pillion.collector.parsers import build_parser
from pillion.collector.records import Lines, Texts

NOW = 1_800_000_000 * 10**9
TIMES = st.sampled_from(
    ["2026-11-22T10:11:12.123Z", "2026-11-22T10:11:12.5Z", "2026-11-22T10:11:13Z", "never", "", "time", 5,
         None, {"time": "x"}]
)  # fmt: skip


@st.composite
def json_lines(draw: st.DrawFn) -> bytes:
    members = [*draw(BODIES).items()]
    if draw(st.booleans()):
        members.insert(draw(st.integers(0, len(members))), ("time", draw(TIMES)))
    if draw(st.integers(0, 9)) == 0:
        members.append(("x", {"time": draw(TIMES)}))
    text = spelled(dict(members), draw(st.integers(0, 2)))
    if draw(st.integers(0, 9)) == 0:
        text = text.replace(b'"time"', b'"\\u0074ime"')
    if draw(st.integers(0, 9)) == 0:
        text = b" " + text + b"\t"
    return text


NOISE = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\n"), min_size=1, max_size=9
).map(str.encode)
KINDS = st.one_of(
    st.lists(json_lines(), min_size=1, max_size=6),
    st.lists(
        st.one_of(json_lines(), NOISE, st.just(b'{"time":1}{"a":2}'), st.just(b"[]")), min_size=1, max_size=6
    ),
)


@given(KINDS, st.booleans(), st.sampled_from(["", "%Y-%m-%dT%H:%M:%S.%LZ"]))
@settings(max_examples=600)
def test_json_parsed_at_once_is_json_parsed_line_by_line(
    texts: list[bytes], keep: bool, time_format: str
) -> None:
    parser = build_parser(ParserSettings(name="p", format="json", time_format=time_format, time_keep=keep))
    content = parser.parse_lines(Lines(data=b"\n".join([*texts, b""]), time=NOW, key="log"))
    if isinstance(content, Texts):
        assert all(records.object_text(line) == line for line in content.data.split(b"\n")[:-1])
        for line in content.data.decode().split("\n")[:-1]:
            pairs = json.loads(line, object_pairs_hook=list)
            assert len(dict(pairs)) == len(pairs)
    expected = [parser.parse(text.decode(), NOW) or (NOW, {"log": text.decode()}) for text in texts]
    assert records.count(content) == len(texts)
    decoded = records.as_records(content)
    assert list(zip(decoded.times, decoded.bodies, strict=True)) == expected


@given(
    st.lists(
        st.sampled_from(["0", "12", "999", "123456", "123456789", "1234567890", ""]), min_size=1, max_size=8
    )
)
def test_times_read_together_are_those_read_alone(fractions: list[str]) -> None:
    settings_ = ParserSettings(name="p", format="json", time_format="%Y-%m-%dT%H:%M:%S.%LZ", time_keep=True)
    parser = build_parser(settings_)
    for number, fraction in enumerate(fractions):
        text = json.dumps({"time": f"2026-11-22T10:11:{number % 3:02d}.{fraction}Z"})
        assert parser.parse(text, NOW) == build_parser(settings_).parse(text, NOW)
