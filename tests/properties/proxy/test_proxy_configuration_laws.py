"""Whatever is written, proxy.yaml is read or refused with places; what is read can be written and read again."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.unit.proxy.configuration.house import FILE, GOOD
from tests.unit.proxy.configuration.test_reading import EVERYTHING, without_lines

from pillion.proxy.configuration import ConfigurationError, load, render
from pillion.proxy.configuration.reachability import covers
from pillion.proxy.configuration.scalars import format_duration, format_size
from pillion.proxy.configuration.values import Configuration, HeaderMatch, Match, StringMatch

WORDS = st.sampled_from(
    [
        "certificates",
        "inbound",
        "outbound",
        "accessLog",
        "tracing",
        "ports",
        "concurrency",
        "drain",
        "name",
        "folder",
        "chain",
        "key",
        "bundle",
        "port",
        "address",
        "tls",
        "certificate",
        "allow",
        "routes",
        "match",
        "prefix",
        "exact",
        "regex",
        "methods",
        "headers",
        "hosts",
        "to",
        "protocol",
        "timeout",
        "retries",
        "attempts",
        "on",
        "rewrite",
        "host",
        "maxRequestBytes",
        "rateLimit",
        "requests",
        "per",
        "burst",
        "cors",
        "origins",
        "credentials",
        "websocket",
        "expect",
        "serverName",
        "path",
        "uri",
        "dns",
        "present",
        "true",
        "none",
        "mutual",
        "simple",
        "permissive",
        "http2",
        "/v1",
        "/",
        ".",
        ".*",
        "(",
        "spiffe://a/b",
        "spiffe://a/*",
        "a.b",
        "*.a",
        "a:1",
        "5s",
        "1Mi",
        "${A}",
        "GET",
        "5xx",
        "reset",
        "<<",
        "x",
    ]
)
SCALARS = st.one_of(
    WORDS, st.none(), st.booleans(), st.integers(-1, 70000), st.floats(allow_nan=False), st.text(max_size=5)
)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(WORDS, inner, max_size=5),
        st.lists(inner, max_size=3).map(tuple),
    ),
    max_leaves=25,
)


def read(text: str) -> Configuration | None:
    """None when it is refused as it should be; anything else that is raised fails the test."""
    try:
        return load(text, FILE)
    except ConfigurationError as refused:
        error = refused
    lines = text.count("\n") + 2
    assert error.faults
    assert all(1 <= fault.line <= lines and fault.file == FILE and fault.text for fault in error.faults)
    assert len(str(error).splitlines()) == len(error.faults)
    return None


@given(st.text())
@example("\ufeff")
@example("\ud800")
@example("a: &a [*a]")
@example("{inbound: {")
@example("? [1]\n: 2")
@example("drain: 0x10")
@example("drain: !!binary aGk=")
@example("concurrency: " + "9" * 5000)
@example("drain: " + "9" * 5000 + "s")
def test_any_text_is_read_or_refused(text: str) -> None:
    read(text)


@given(TREES)
@example({"inbound": [{"name": "a", "port": 1, "tls": "none", "routes": [{"to": 2, "match": None}]}]})
def test_any_tree_is_read_or_refused(tree: Any) -> None:
    read(json.dumps(tree))


def paths(tree: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [here, *(path for key, item in inner for path in paths(item, (*here, key)))]


def replaced(tree: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = dict(tree) if isinstance(tree, dict) else list(tree)
    copy[path[0]] = replaced(copy[path[0]], path[1:], new)
    return copy


ALMOST_GOOD = [render(load(text, FILE)) for text in (GOOD, EVERYTHING)]


@settings(max_examples=200)
@given(st.data())
def test_a_good_file_with_anything_in_one_place_is_read_or_refused(data: st.DataObject) -> None:
    tree = data.draw(st.sampled_from(ALMOST_GOOD))
    tree = replaced(tree, data.draw(st.sampled_from(paths(tree))), data.draw(TREES))
    found = read(json.dumps(tree, indent=1))
    if found is not None:
        assert without_lines(load(json.dumps(render(found)), FILE)) == without_lines(found)


@given(st.integers(0, 365 * 24 * 3600 * 1000))
def test_a_time_is_written_as_it_is_read(milliseconds: int) -> None:
    text = GOOD + f"drain: {format_duration(milliseconds / 1000)}\n"
    assert load(text, FILE).drain == milliseconds / 1000


@given(st.integers(1 << 16, 1 << 40))
def test_a_size_is_written_as_it_is_read(size: int) -> None:
    found = load(GOOD + f"accessLog: {{path: /a, maxBytes: {format_size(size)}}}\n", FILE)
    assert found.access_log is not None
    assert found.access_log.max_bytes == size


# A route that is refused as unreachable is: nothing that it matches passes the earlier one by. Every pair of
# conditions of one sort is tried, then mixtures.
REQUEST_PATHS = ("/", "/a", "/a/", "/ab", "/a/b", "/b")
REQUEST_METHODS = ("GET", "POST", "PUT")
REQUEST_HEADERS = (None, "x", "xy", "z")
REQUEST_HOSTS = ("b", "a.b", "xa.b", "x.a.b", "c", "d")
TEXTS = (
    *(StringMatch(exact=text) for text in ("x", "xy", "z")),
    *(StringMatch(prefix=text) for text in ("x", "xy")),
    *(StringMatch(present=present) for present in (True, False)),
)
PATHS: tuple[dict[str, Any], ...] = (
    *({"prefix": path} for path in REQUEST_PATHS),
    *({"prefix": None, "exact": path} for path in REQUEST_PATHS),
    {"prefix": None, "regex": "/.*"},
)
METHODS: tuple[dict[str, Any], ...] = tuple(
    {"methods": methods} for methods in ((), ("GET",), ("POST",), ("GET", "POST"))
)
HEADERS: tuple[dict[str, Any], ...] = tuple(
    {"headers": tuple(HeaderMatch(name="h", value=value) for value in values)}
    for count in (0, 1, 2)
    for values in itertools.product(TEXTS, repeat=count)
)
HOSTS: tuple[dict[str, Any], ...] = tuple(
    {"hosts": hosts} for hosts in ((), ("a.b",), ("*.b",), ("*.a.b",), ("*.a.b", "c"), ("c", "d"))
)


def accepts(match: Match, path: str, method: str, header: str | None, host: str) -> bool:
    if match.regex is None and match.exact is not None and path != match.exact:
        return False
    if match.regex is None and match.exact is None:
        prefix = match.prefix or "/"
        below = (
            path.startswith(prefix)
            if prefix.endswith("/")
            else path == prefix or path.startswith(f"{prefix}/")
        )
        if not below:
            return False
    return (
        (not match.methods or method in match.methods)
        and all(_has(said.value, header) for said in match.headers)
        and (
            not match.hosts
            or any(host == one or (one[0] == "*" and host.endswith(one[1:])) for one in match.hosts)
        )
    )


def _has(said: StringMatch, header: str | None) -> bool:
    if said.present is not None:
        return (header is not None) is said.present
    if header is None:
        return False
    return header == said.exact if said.exact is not None else header.startswith(said.prefix or "")


REQUESTS = tuple(itertools.product(REQUEST_PATHS, REQUEST_METHODS, REQUEST_HEADERS, REQUEST_HOSTS))


def assert_unreachable(wide: Match, narrow: Match) -> None:
    passed = [asked for asked in REQUESTS if accepts(narrow, *asked) and not accepts(wide, *asked)]
    assert passed == [], f"{wide} lets through what {narrow} takes"


@pytest.mark.parametrize(
    "conditions", [PATHS, METHODS, HEADERS, HOSTS], ids=["path", "methods", "headers", "hosts"]
)
def test_what_an_earlier_condition_covers_never_gets_past_it(conditions: tuple[dict[str, Any], ...]) -> None:
    covered = 0
    for one, other in itertools.product(conditions, repeat=2):
        wide, narrow = Match(**one), Match(**other)
        assert covers(wide, narrow) or one != other
        if covers(wide, narrow):
            covered += 1
            assert_unreachable(wide, narrow)
    assert covered > len(conditions), "some cover others"


MATCHES = st.builds(
    lambda *parts: Match(**{key: value for part in parts for key, value in part.items()}),
    *(st.sampled_from(conditions) for conditions in (PATHS, METHODS, HEADERS, HOSTS)),
)


@given(MATCHES, MATCHES)
def test_what_an_earlier_route_covers_never_gets_past_it(wide: Match, narrow: Match) -> None:
    if covers(wide, narrow):
        assert_unreachable(wide, narrow)
