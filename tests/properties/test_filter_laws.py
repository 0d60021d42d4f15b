"""A filter makes the same of a chunk whatever its form is; and redact finds in bytes what it finds in values."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.filter_lab import TAG, TIME, Lab, bodies_of, facts_of

from pillion.collector.filters.redact import Redact
from pillion.collector.filters.redaction.detectors import Kind
from pillion.collector.filters.redaction.names import GENAI, KEY
from pillion.collector.filters.redaction.suspects import Suspicion
from pillion.collector.records import Body, Content, Lines, Texts, as_records, as_texts

LETTERS = st.characters(exclude_categories=["Cs"])
ONE_LINE = st.characters(exclude_categories=["Cs"], exclude_characters="\n")
WORDS = st.one_of(
    st.sampled_from(["error", "info", "a b", "", "k=v", '{"a":1}', "é\n", '"']), st.text(LETTERS, max_size=8)
)
KEYS = st.one_of(
    st.sampled_from(["log", "level", "a", "a.b", "host", "kubernetes"]), st.text(LETTERS, max_size=3)
)
VALUES = st.recursive(
    st.one_of(WORDS, st.integers(-(2**40), 2**40), st.booleans(), st.none()),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(KEYS, inner, max_size=2)),
    max_leaves=4,
)
BODIES = st.lists(st.dictionaries(KEYS, VALUES, max_size=4), min_size=1, max_size=5)

FILTERS = [
    ("grep", "Regex level ^err"),
    ("grep", "Exclude log b"),
    ("grep", "Logical_Op or\nRegex a .\nRegex log ."),
    ("grep", "Exclude level info\nRegex log ."),
    ("record_modifier", "Record host web\nRecord x y"),
    ("record_modifier", "Remove_key a*\nRecord level x"),
    ("record_modifier", "Allowlist_key log\nAllowlist_key level"),
    ("modify", "Set host web"),
    ("modify", "Condition Key_value_matches level e\nRename log a\nCopy a b\nRemove_wildcard k"),
    ("nest", "Operation nest\nWildcard a*\nNest_under in"),
    ("nest", "Operation lift\nNested_under kubernetes\nAdd_prefix k_"),
    ("rewrite_tag", "Rule $level ^(e).* new.$1.$TAG[0] false\nRule $log . kept.$a true"),
    ("throttle", "Rate 1.5\nWindow 2"),
    ("multiline", "multiline.parser go\nmultiline.key_content log\nbuffer off"),
    ("kubernetes", "Merge_Log On\nPodinfo_Dir none\nKube_Namespace_File none"),
    ("redact", ""),
]  # fmt: skip


def forms(bodies: list[Body]) -> list[Content]:
    """The same chunk, decoded, as one writes it, and as another does."""
    compact = b"".join([orjson.dumps(body) + b"\n" for body in bodies])
    spacious = "".join([json.dumps(body, separators=(" , ", " : ")) + "\n" for body in bodies]).encode()
    texts = Texts(data=compact, times=TIME)
    return [as_records(texts), texts, Texts(data=spacious, times=[TIME] * len(bodies))]


@pytest.mark.parametrize(("plugin", "keys"), FILTERS)
@settings(max_examples=40, deadline=None)
@given(bodies=BODIES)
def test_records_are_the_same_in_every_form(plugin: str, keys: str, bodies: list[Body]) -> None:
    environment = {"POD_NAME": "web-1", "POD_NAMESPACE": "shop"}
    decoded, *texts = (
        facts_of(Lab(plugin, keys, environment=environment).put(form)) for form in forms(bodies)
    )
    for each in texts:
        assert each == decoded


@pytest.mark.parametrize(("plugin", "keys"), FILTERS)
@settings(max_examples=30, deadline=None)
@given(lines=st.lists(st.text(ONE_LINE, max_size=12), min_size=1, max_size=5))
def test_lines_are_records_of_one_field(plugin: str, keys: str, lines: list[str]) -> None:
    content = Lines(data="".join([f"{line}\n" for line in lines]).encode(), time=TIME)
    environment = {"POD_NAME": "web-1", "POD_NAMESPACE": "shop"}
    as_lines, as_text, decoded = (
        facts_of(Lab(plugin, keys, environment=environment).put(form))
        for form in (content, as_texts(content), as_records(content))
    )
    assert as_lines == as_text == decoded


# ── redact ───────────────────────────────────────────────────────────────────────────────────────────────────────────
_PARTS = """
anna@example.com;+49 170 1234567;212-555-0187;(212) 555-0187;030 12345678;01 23 45 67 89;4111 1111 1111 1111
5500-0000-0000-0004;378282246310005;41111111 11111111;DE89370400440532013000;DE89 3704 0044 0532 0130 00;203.0.113.9
2001:db8::1;1:2:3:4:5:6:7:8;AKIAIOSFODNN7EXAMPLE;ghp_aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF3hI6;sk-abcdefghij0123456789
xoxb-123456789012;xapp-1-abcdefghij0123456789;eyJhbGciOiJI.eyJzdWIiOiIx.abc;whsec_abc/+def0123456789==
ya29.abcdefghij0123456789;GOCSPX-abcdefghij0123456789;glpat-abcdefghij0123456789;SG.abcdefghijklmnop.abcdefghijklmnop
-----BEGIN PRIVATE KEY-----;https://u:p@h;hooks.slack.com/services/T00/B00/abcdefghij0123;Bearer abc123def
Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==;password=hunter2;PASSWORD\t:\t'hunter2';token => "abcdef";apiKey: abcdef123456
api key=abcdef;session-id=abcdef;secret_access_key=abcdefgh;pass: a1b2c3;credentials='abcdef';Cookie: a=b1
authorization=abcdef;client-secret:'abcdef';passphrase=abc;account.key=abcdef
"""
PIECES = st.sampled_from(
    [
        *_PARTS.strip().replace("\n", ";").split(";"), "pypi-" + "a1" * 30, "hf_" + "a1" * 16,
        " ", ",", ":", "=", '"', "'", "\\", "\n", "\t", "x", "é", "/", "-", "1", "a.b", "{", "}", "[",
    ]
)  # fmt: skip
TEXTS = st.lists(PIECES, min_size=1, max_size=5).map("".join)
NAMES = st.one_of(
    st.sampled_from(["password", "apiKey", "X-Api-Key", "jwt", "access key"]),
    st.sampled_from(["gen_ai", "gen_ai.prompt", "input.messages", "m", "user"]),
    TEXTS,
)
NESTED = st.recursive(
    st.one_of(TEXTS, st.sampled_from([4111111111111111, 5, None, True])),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=3)),
    max_leaves=5,
)


def _escaped(text: str, how: int) -> str:
    """JSON text with some of its characters escaped for no reason."""
    if how == 0:
        return text
    if how == 1:
        return text.replace("@", "\\u0040").replace("o", "\\u006f")
    return text.replace("/", "\\/").replace("a", "\\u0061")


@settings(max_examples=200, deadline=None)
@given(
    bodies=st.lists(st.dictionaries(NAMES, NESTED, max_size=3), min_size=1, max_size=4),
    how=st.integers(0, 2),
    wraps=st.booleans(),
)
@example(bodies=[{"m": "password\t:\t'hunter2'"}], how=0, wraps=True)
def test_no_line_is_passed_over_that_has_something(bodies: list[Body], how: int, wraps: bool) -> None:
    lab = Lab("redact", "Keys user")
    assert isinstance(lab.filter, Redact)
    thorough = Redact(
        lab.filter._redactor, Suspicion(kinds=frozenset(), always=frozenset({*Kind, KEY, GENAI}))
    )
    if wraps:
        bodies = [{"log": orjson.dumps(body).decode()} for body in bodies]
    lines = [_escaped(orjson.dumps(body).decode(), how) for body in bodies]
    texts = Texts(data="".join([f"{line}\n" for line in lines]).encode(), times=TIME)
    expected = bodies_of(thorough.filter(TAG, as_records(texts), TIME).content)
    assert bodies_of(lab.put(texts).content) == expected
    assert bodies_of(lab.put(as_records(texts)).content) == expected
    plain = Lines(data=texts.data, time=TIME)
    assert facts(lab.put(plain).content) == facts(thorough.filter(TAG, as_records(plain), TIME).content)


def facts(content: Content | None) -> list[Any]:
    return bodies_of(content)
