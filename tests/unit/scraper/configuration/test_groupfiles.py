"""Target groups in files, and as HTTP servers give them."""

from __future__ import annotations

import pytest

from pillion.scraper.configuration import (
    ConfigurationError,
    TargetGroup,
    decode_target_groups,
    read_target_groups,
)

EXPECTED = (
    TargetGroup(targets=("a:1", "b:2"), labels={"env": "prod"}, source="SD:0"),
    TargetGroup(targets=(), labels={}, source="SD:1"),
)


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("x.json", b'[{"targets": ["a:1", "b:2"], "labels": {"env": "prod"}}, {}]'),
        ("x.JSON", b'[{"targets": ["a:1", "b:2"], "labels": {"env": "prod"}}, {"targets": null}]'),
        ("x.yml", b"- targets: [a:1, b:2]\n  labels:\n    env: prod\n- {}\n"),
        ("x.YAML", b'[{"targets": ["a:1", "b:2"], "labels": {"env": "prod"}}, {labels: }]'),
    ],
)
def test_a_file_lists_groups(name: str, body: bytes) -> None:
    found = read_target_groups(body, name)
    assert [(group.targets, group.labels) for group in found] == [
        (group.targets, group.labels) for group in EXPECTED
    ]
    assert [group.source for group in found] == [f"{name}:0", f"{name}:1"]


@pytest.mark.parametrize(
    ("name", "body"), [("a.yml", b""), ("a.yml", b"~"), ("a.json", b"null"), ("a.json", b"[]")]
)
def test_a_file_may_list_nothing(name: str, body: bytes) -> None:
    assert read_target_groups(body, name) == ()


@pytest.mark.parametrize(
    ("name", "body", "fault"),
    [
        ("a.yml", b"- target: [a]\n", "a.yml:1: field target not found in type struct"),
        ("a.yml", b"- targets: [a]\n-\n", "a.yml:2: nil target group item found"),
        ("a.yml", b"targets: [a]\n", "a.yml:1: cannot unmarshal !!map into []*targetgroup.Group"),
        ("a.yml", b"- [\n", "a.yml:2: yaml: "),
        ("a.yml", b"- \xff\n", "a.yml:1: yaml: invalid leading UTF-8 octet"),
        ("a.json", b"", "a.json: Input data was truncated"),
        ("a.json", b"{}", "a.json: Expected `array | null`, got `object`"),
        ("a.json", b'[{"targets": ["a"], "x": 1}]', "a.json: Object contains unknown field `x`"),
        ("a.json", b'[{"targets": [1]}]', "a.json: Expected `str`, got `int`"),
        ("a.json", b"[null]", "a.json: nil target group item found"),
        ("a.json", b'["\xff"]', "a.json: "),
    ],
)
def test_what_is_wrong_is_said_with_its_place(name: str, body: bytes, fault: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        read_target_groups(body, name)
    assert str(refused.value).startswith(fault)


def test_an_http_server_is_the_source_of_its_groups() -> None:
    (group,) = decode_target_groups(b'[{"targets": ["a"]}]', "http://x/sd")
    assert group.source == "http://x/sd:0"
