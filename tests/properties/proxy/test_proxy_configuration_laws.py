"""Whatever is written, proxy.yaml is read or refused with places; what is read can be written and read again."""

from __future__ import annotations

import json
from typing import Any

import yaml
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


@settings(max_examples=300)
@given(st.data())
def test_a_good_file_with_anything_in_one_place_is_read_or_refused(data: st.DataObject) -> None:
    tree = data.draw(st.sampled_from(ALMOST_GOOD))
    tree = replaced(tree, data.draw(st.sampled_from(paths(tree))), data.draw(TREES))
    found = read(yaml.safe_dump(tree, sort_keys=False))
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


# A route that is refused as unreachable is unreachable: nothing that it matches passes the earlier one by.
REQUEST_PATHS = ("/", "/a", "/a/", "/ab", "/a/b", "/b")
VALUES = ("x", "xy", "z")
TEXTS = st.one_of(
    st.sampled_from(VALUES).map(lambda text: StringMatch(exact=text)),
    st.sampled_from(("x", "xy", "")).map(lambda text: StringMatch(prefix=text or "x")),
    st.booleans().map(lambda present: StringMatch(present=present)),
)
MATCHES = st.builds(
    lambda path, methods, headers, hosts: Match(**path, methods=methods, headers=headers, hosts=hosts),
    path=st.one_of(
        st.sampled_from(REQUEST_PATHS).map(lambda path: {"prefix": path}),
        st.sampled_from(REQUEST_PATHS).map(lambda path: {"prefix": None, "exact": path}),
        st.just({"prefix": None, "regex": "/.*"}),
    ),
    methods=st.sampled_from([(), ("GET",), ("GET", "POST")]),
    headers=st.lists(TEXTS.map(lambda value: HeaderMatch(name="h", value=value)), max_size=2).map(tuple),
    hosts=st.sampled_from([(), ("a.b",), ("*.b",), ("*.a.b", "c")]),
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


@given(MATCHES, MATCHES)
def test_what_an_earlier_route_covers_never_gets_past_it(wide: Match, narrow: Match) -> None:
    if covers(wide, narrow):
        for path in REQUEST_PATHS:
            for method in ("GET", "POST", "PUT"):
                for header in (None, *VALUES):
                    for host in ("a.b", "x.a.b", "c", "d"):
                        asked = (path, method, header, host)
                        assert not accepts(narrow, *asked) or accepts(wide, *asked)


@given(MATCHES)
def test_a_route_covers_itself(match: Match) -> None:
    assert covers(match, match)
