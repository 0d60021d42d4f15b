from __future__ import annotations

import pytest

from pillion.scraper.discovery.groups import GroupError, groups_of_json, groups_of_yaml, labelled


def test_json_and_yaml_say_the_same() -> None:
    of_json = groups_of_json(b'[{"targets": ["a:1", "b:2"], "labels": {"team": "x"}}, {"targets": []}]')
    of_yaml = groups_of_yaml(b"- targets: [a:1, b:2]\n  labels: {team: x}\n- targets: []\n", "f.yml")
    assert [(group.targets, dict(group.labels)) for group in of_json] == [
        (("a:1", "b:2"), {"team": "x"}),
        ((), {}),
    ]
    assert [(group.targets, dict(group.labels)) for group in of_yaml] == [
        (group.targets, dict(group.labels)) for group in of_json
    ]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"{}",
        b"[null]",
        b'[{"target": ["a"]}]',
        b'[{"targets": [1]}]',
        b'[{"targets": "a"}]',
        b'[{"targets": ["a"], "labels": {"": "x"}}]',
        b'[{"targets": ["a"], "labels": {"x": 1}}]',
        b'["\xff"]',
    ],
)
def test_json_that_holds_no_groups_is_an_error_of_one_line(text: bytes) -> None:
    with pytest.raises(GroupError) as error:
        groups_of_json(text)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "text",
    [
        b"{",
        b"a: b",
        b"- null",
        b"- target: [a]",
        b"- targets: {a: b}",
        b"- labels: [x]",
        b"\xff",
        b"- &a [*a]",
    ],
)
def test_yaml_that_holds_no_groups_is_an_error_of_one_line(text: bytes) -> None:
    with pytest.raises(GroupError) as error:
        groups_of_yaml(text, "f.yml")
    assert "\n" not in str(error.value)


def test_groups_tell_where_they_come_from() -> None:
    found = labelled(groups_of_json(b'[{"targets": ["a"]}]'), "/f.json", ("__meta_filepath", "/f.json"))
    assert dict(found[0].labels) == {"__meta_filepath": "/f.json"}
    assert found[0].source == "/f.json:0"
