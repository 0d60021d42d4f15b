"""The three forms of a chunk are one: whatever is done to them, the records are the same."""

from __future__ import annotations

import json
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from pillion.collector import records
from pillion.collector.records import Body, Content, Date, Lines, Records, Texts

LETTERS = st.characters(exclude_categories=["Cs"])
KEYS = st.one_of(st.sampled_from(["log", "date", "a", "b", "é", 'q"', ""]), st.text(LETTERS, max_size=4))
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(LETTERS, max_size=12),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=6,
)
BODIES = st.dictionaries(KEYS, VALUES, max_size=4)
TIMES = st.integers(0, 4 * 10**18)


def spelled(body: Body, how: int) -> bytes:
    """One of the ways in which writers spell a body."""
    if how == 0 or not body:
        return orjson.dumps(body)
    if how == 1:
        return json.dumps(body).encode()
    return json.dumps(body, ensure_ascii=False, separators=(" ,\t", " :  ")).encode()


@st.composite
def texts(draw: st.DrawFn) -> Texts:
    bodies = draw(st.lists(BODIES, min_size=1, max_size=6))
    lines = [spelled(body, draw(st.integers(0, 2))) for body in bodies]
    one = draw(st.booleans())
    each = draw(TIMES) if one else draw(st.lists(TIMES, min_size=len(bodies), max_size=len(bodies)))
    return Texts(data=b"".join([line + b"\n" for line in lines]), times=each)


@st.composite
def lines(draw: st.DrawFn) -> Lines:
    words = st.text(
        st.characters(exclude_categories=["Cs"], exclude_characters="\n"), min_size=1, max_size=20
    )
    each = draw(st.lists(words, min_size=1, max_size=6))
    data = "".join([line + "\n" for line in each]).encode()
    return Lines(data=data, time=draw(TIMES), key=draw(KEYS))


@st.composite
def decoded(draw: st.DrawFn) -> Records:
    bodies = draw(st.lists(BODIES, min_size=1, max_size=6))
    return Records(times=draw(st.lists(TIMES, min_size=len(bodies), max_size=len(bodies))), bodies=bodies)


CONTENTS = st.one_of(texts(), lines(), decoded())


def facts(content: Content) -> list[tuple[int, Body]]:
    each = records.as_records(content)
    return list(zip(each.times, each.bodies, strict=True))


def read_lines(data: bytes) -> list[Any]:
    """As a reader that knows JSON and nothing of us has them."""
    assert not data or data.endswith(b"\n")
    return [json.loads(line) for line in data.decode().split("\n")[:-1]]


@given(CONTENTS)
def test_forms_are_the_same_records(content: Content) -> None:
    as_texts = records.as_texts(content)
    assert facts(as_texts) == facts(content)
    assert records.object_lines(as_texts.data) == records.count(content)
    assert records.count(as_texts) == records.count(content) == len(facts(content))
    assert read_lines(as_texts.data) == [body for _, body in facts(content)]


@given(CONTENTS, st.sampled_from(["date", "é", "a\\b", "log"]), st.sampled_from(sorted(records.DATE_FORMATS)))
@settings(max_examples=300)
def test_a_written_record_is_its_date_and_its_body(content: Content, key: str, name: str) -> None:
    date = records.parse_date(key, name)
    assert date is not None
    written = records.json_lines(content, date)
    expected = []
    for time, body in facts(content):
        first = {key: json.loads(records.format_time(time, date.format))}
        expected.append({**first, **body})
    assert read_lines(written) == expected
    assert json.loads(records.json_array(content, date)) == expected
    assert records.json_stream(content, date) == written.replace(b"\n", b"")


@given(CONTENTS)
def test_without_a_date_the_bodies_are_written(content: Content) -> None:
    assert read_lines(records.json_lines(content, None)) == [body for _, body in facts(content)]


@given(CONTENTS, st.dictionaries(KEYS, SCALARS, max_size=3))
@settings(max_examples=300)
def test_constants_are_set_in_every_record(content: Content, body: Body) -> None:
    expected = [(time, {**each, **body}) for time, each in facts(content)]
    appended = records.append_constants(content, body)
    assert facts(appended) == expected
    assert records.count(appended) == len(expected)
    data = records.as_texts(appended).data
    assert records.object_lines(data) == len(expected)
    pairs = [json.loads(line, object_pairs_hook=list) for line in data.decode().split("\n")[:-1]]
    assert all(len(dict(each)) == len(each) for each in pairs), "no key is written twice"


@given(st.lists(CONTENTS, min_size=1, max_size=4))
def test_joined_chunks_have_all_records_in_order(contents: list[Content]) -> None:
    expected = [fact for content in contents for fact in facts(content)]
    assert facts(records.join(contents)) == expected


@given(CONTENTS)
def test_halves_are_the_whole(content: Content) -> None:
    if records.count(content) < 2:
        try:
            records.split_in_half(content)
        except ValueError:
            return
        raise AssertionError("one record has no halves")
    first, second = records.split_in_half(content)
    assert records.count(first)
    assert records.count(second)
    assert facts(first) + facts(second) == facts(content)


@given(CONTENTS, st.data())
def test_selected_records_are_those_to_be_kept(content: Content, data: st.DataObject) -> None:
    amount = records.count(content)
    keep = data.draw(st.lists(st.booleans(), min_size=amount, max_size=amount))
    selected = records.select(content, keep)
    assert selected is None or records.count(selected) == sum(keep)
    expected = [fact for fact, kept in zip(facts(content), keep, strict=True) if kept]
    assert (facts(selected) if selected is not None else []) == expected


@given(CONTENTS, st.lists(KEYS, min_size=1, max_size=3, unique=True))
def test_peeked_fields_are_those_of_the_bodies(content: Content, names: list[str]) -> None:
    expected = [tuple([body.get(name, records.MISSING) for name in names]) for _, body in facts(content)]
    assert records.peek(content, tuple(names)) == expected
    assert records.peek_one(content, names[0]) == [values[0] for values in expected]


@given(st.binary(max_size=30))
def test_a_text_is_found_to_be_an_object_exactly_when_it_is_one(noise: bytes) -> None:
    line = noise.decode("utf-8", "replace").replace("\n", " ").encode()
    check_line(line)


@given(BODIES, st.integers(0, 2), st.integers(0, 60), st.sampled_from(list('{}[]",:\\ u0e.-t\x01')))
@settings(max_examples=400)
def test_a_text_with_one_wrong_character_is_seen(body: Body, how: int, at: int, wrong: str) -> None:
    text = spelled(body, how).decode()
    check_line((text[:at] + wrong + text[at:]).encode())
    check_line((text[:at] + wrong + text[at + 1 :]).encode())


def check_line(line: bytes) -> None:
    try:
        expected: Any = orjson.loads(line)
    except orjson.JSONDecodeError:
        expected = None
    text = records.object_text(line)
    if isinstance(expected, dict):
        assert text is not None
        assert orjson.loads(text) == expected
        assert records.object_lines(text + b"\n") == (None if text.startswith((b"{ ", b"{\t")) else 1)
    elif text is not None:
        assert "inf" in repr(json.loads(text)), (
            "a number beyond every double is one for msgspec, not for orjson"
        )
    else:
        assert records.object_lines(line + b"\n") is None


@given(CONTENTS)
def test_a_date_written_first_is_read_first(content: Content) -> None:
    for line, (_, body) in zip(
        records.json_lines(content, Date(key="when")).split(b"\n"), facts(content), strict=False
    ):
        if "when" not in body:
            assert line.startswith(b'{"when":')
