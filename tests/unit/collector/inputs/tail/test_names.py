"""Patterns, tags and the names that rotation makes."""

from __future__ import annotations

import ctypes
import os
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillion.collector.inputs.tail.patterns import component, whole
from pillion.collector.inputs.tail.rotation import Moves, is_derived
from pillion.collector.inputs.tail.tags import TagError, compose_tag
from pillion.collector.inputs.tail.watching import Change, Event

_C = ctypes.CDLL(None)
_PERIOD = 4


@given(st.text("ab.*?[]!^-\\/", max_size=7), st.text("ab./-]", max_size=5))
def test_patterns_match_what_the_c_library_matches(pattern: str, name: str) -> None:
    if re.search(r"\[[^\]]*[/\\]|\\\Z|\[.*(.)-(.).*\]|\[[!^]?\]", pattern):
        return  # where implementations differ among themselves
    assert bool(whole(pattern).match(name)) == (_C.fnmatch(os.fsencode(pattern), os.fsencode(name), 0) == 0)


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("*.log", "a.log", True),
        ("*.log", ".a.log", False),
        (".*", ".a", True),
        ("a[0-9].log", "a7.log", True),
        ("a[!0-9]", "a7", False),
        ("a[^0-9]", "ab", True),
        ("a[[:digit:]]", "a1", True),
        ("a[[:digit:]]", "ab", False),
        (r"a\*", "a*", True),
        (r"a\*", "ab", False),
        ("a[", "a[", True),
        ("a[]x]", "a]", True),
        ("?", "ä", True),
    ],
)
def test_one_component_of_a_path(pattern: str, name: str, matches: bool) -> None:
    assert bool(component(pattern).match(name)) is matches


@pytest.mark.parametrize(
    ("tag", "path", "regex", "composed"),
    [
        ("app", "/var/log/a.log", None, "app"),
        ("kube.*", "/var/log/containers/a_b_c-1.log", None, "kube.var.log.containers.a_b_c-1.log"),
        ("*", "/var/log/a.log", None, "var.log.a.log"),
        ("*.end", "/a", None, "a.end"),
        ("x.*", "logs/a.log", None, "x.logs.a.log"),
        ("*", "/a//b:c\\d..log", None, "a.b.c.d.log"),
        ("*", "/a*b.", None, "ab"),
        ("<pod>.<missing>", "/web_x.log", r"(?P<pod>[a-z]+)_(?P<missing>q)?", "web._"),
    ],
)
def test_a_tag_is_composed_as_fluent_bit_composes_it(
    tag: str, path: str, regex: str | None, composed: str
) -> None:
    assert compose_tag(tag, path, re.compile(regex) if regex else None) == composed


def test_a_path_that_tag_regex_does_not_match_has_no_tag() -> None:
    with pytest.raises(TagError, match="does not match"):
        compose_tag("<pod>", "/a.log", re.compile("(?P<pod>x)"))
    with pytest.raises(TagError, match="no `>`"):
        compose_tag("<pod", "/x.log", re.compile("(?P<pod>x)"))


@pytest.mark.parametrize(
    "name",
    [
        "app.log.1", "app.log.12", "app.log-20260101", "app.log-20260101-1767225600", "app.log.2026-01-01_10-30",
        "app.log.20260101-101010", "app-2026-01-01T10-00-00.000.log", "app.1.log", "app.log.old",
    ],
)  # fmt: skip
def test_rotation_makes_such_names(name: str) -> None:
    assert is_derived(name, "app.log")


@pytest.mark.parametrize(
    "name", ["app.log", "app.log.gz", "app.log.1.gz", "app.log.json", "other.log.1", "app.log1"]
)
def test_rotation_does_not_make_such_names(name: str) -> None:
    assert not is_derived(name, "app.log")


def test_a_name_is_followed_through_all_its_renamings() -> None:
    moves = Moves(lambda path: path == "/l/app.log")
    steps = [
        (Change.MOVED_FROM, 1, "/l/app.log"), (Change.MOVED_TO, 1, "/l/app.log.1"),
        (Change.MOVED_FROM, 2, "/l/app.log.1"), (Change.MOVED_TO, 2, "/l/app.log.2"),
        (Change.MOVED_FROM, 3, "/l/app.log"), (Change.MOVED_TO, 3, "/l/app.log.1"),
        (Change.MOVED_FROM, 4, "/l/other"), (Change.MOVED_TO, 4, "/l/else"),
    ]  # fmt: skip
    for mask, cookie, path in steps:
        moves.see(Event(1, mask, cookie, path.rpartition("/")[2]), path)
    assert moves.landed() == {"/l/app.log.2": "/l/app.log", "/l/app.log.1": "/l/app.log"}
    assert moves.landed() == {}


def test_a_name_that_is_overwritten_or_deleted_has_not_landed() -> None:
    moves = Moves(lambda path: path == "a")
    for mask, cookie, path in [
        (Change.MOVED_FROM, 1, "a"), (Change.MOVED_TO, 1, "b"), (Change.DELETE, 0, "b"),
        (Change.MOVED_FROM, 2, "a"), (Change.MOVED_TO, 2, "c"), (Change.MOVED_FROM, 3, "x"), (Change.MOVED_TO, 3, "c"),
    ]:  # fmt: skip
        moves.see(Event(1, mask, cookie, path), path)
    assert moves.landed() == {}
