"""Good manifests: what kubectl would have read."""

from __future__ import annotations

from typing import Any

import pytest

from pillion.manifest import Mark, load_manifests
from pillion.objects import core_v1, encode
from pillion.units.yamlscalars import resolve_plain
from pillion.yamltree.composer import compose
from pillion.yamltree.nodes import build_tree, locate
from pillion.yamltree.scalars import key_text

CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: conf}\n"


def tree(text: str) -> Any:
    (document,) = compose(text, "m.yaml").documents
    assert document.problems == ()
    return build_tree(document.root)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", True),
        ("y", True),
        ("On", True),
        ("no", False),
        ("off", False),
        ("yEs", "yEs"),
        ("", None),
        ("~", None),
        ("Null", None),
        ("0", 0),
        ("-7", -7),
        ("+7", 7),
        ("0644", 420),
        ("0o644", 420),
        ("0x1F", 31),
        ("0b11", 3),
        ("-0b11", -3),
        ("1_000", 1000),
        ("08", 8.0),
        ("1.10", 1.1),
        (".5", 0.5),
        ("5.", 5.0),
        ("1e3", 1000.0),
        ("18446744073709551615", 18446744073709551615),
        ("18446744073709551616", 18446744073709551616.0),
        ("1" * 5000, "1" * 5000),
        ("1e999", "1e999"),
        ("22:22", "22:22"),
        ("2026-01-02", "2026-01-02"),
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"),
        ("1.2.3", "1.2.3"),
        ("0x", "0x"),
        ("500m", "500m"),
        ("-", "-"),
        ("٣", "٣"),
    ],
)
def test_a_plain_scalar_is_what_kubectl_takes_it_for(text: str, value: object) -> None:
    resolved = resolve_plain(text)
    assert resolved == value
    assert type(resolved) is type(value)


def test_keys_are_always_text() -> None:
    assert [key_text(value) for value in (True, False, 7, 1.5, 1000.0, "x", None)] == [
        *("true", "false", "7", "1.5", "1000", "x", None),
    ]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 'yes'\nb: \"1\"\nc: |\n  1\n", {"a": "yes", "b": "1", "c": "1\n"}),
        (
            "a: !!str 1\nb: !!float 2\nc: !custom 3\nd: !!binary aGk=\n",
            {"a": "1", "b": 2, "c": "3", "d": "hi"},
        ),
        ("a: &x [1]\nb: *x\n", {"a": [1], "b": [1]}),
        ("on: 1\n2: x\n", {"true": 1, "2": "x"}),
        ("base: &b {x: 1, z: 2}\nc:\n  <<: *b\n  z: 3\n", {"base": {"x": 1, "z": 2}, "c": {"x": 1, "z": 3}}),
        ("a:\n  z: 3\n  <<: {x: 1, z: 2}\n", {"a": {"z": 2, "x": 1}}),
        ("a: {<<: [{x: 1}, {x: 2, z: 3}]}\n", {"a": {"x": 1, "z": 3}}),
        ('a: {"<<": 1}\n', {"a": {"<<": 1}}),
        ("\ufeffa: 1\r\nb: 2\r\n", {"a": 1, "b": 2}),
    ],
)
def test_yaml_is_read_as_kubectl_reads_it(text: str, value: object) -> None:
    assert tree(text) == value


def test_json_is_read_with_its_tabs_and_escapes() -> None:
    text = '{\n\t"a": "\\/ \\ud83d\\ude00 \\\\ud83d",\n\t"b": [1.0, null, true]\n}'
    assert tree(text) == {"a": "/ 😀 \\ud83d", "b": [1.0, None, True]}


@pytest.mark.parametrize(
    ("path", "mark"),
    [
        ("", (1, 1)),
        ("kind", (1, 7)),
        ("spec", (2, 1)),
        ("spec.containers[0]", (4, 5)),
        ("spec.containers[0].name", (4, 11)),
        ("spec.containers[0].image", (4, 5)),
        ("spec.containers[0].resources.limits[cpu]", (5, 31)),
        ("spec.containers[1].name", (3, 3)),
        ("spec.volumes[0].name", (2, 1)),
        ("metadata.name", (1, 1)),
        ("data[a.b/c]", (7, 10)),
        ("empty", (8, 1)),
        ("<nil>", (1, 1)),
    ],
)
def test_a_field_path_leads_to_the_field_or_to_what_lacks_it(path: str, mark: tuple[int, int]) -> None:
    text = (
        "kind: Pod\nspec:\n  containers:\n  - name: a\n    resources: {limits: {cpu: 1}}\n"
        "data:\n  a.b/c: x\nempty:\n"
    )
    (document,) = compose(text, "m.yaml").documents
    assert locate(document.root, path).mark == mark


def test_documents_and_lists_become_objects_in_the_order_of_the_text() -> None:
    text = (
        f"# first\n{CONFIG}---\n---\n{CONFIG.replace('conf', 'second')}...\n---\n"
        "apiVersion: v1\nkind: List\nitems:\n"
        "- {apiVersion: v1, kind: Secret, metadata: {name: third}}\n"
        "- {apiVersion: v1, kind: ConfigMapList, items: ["
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: fourth}}]}\n"
    )
    found = load_manifests(text, "m.yaml").objects
    assert [encode(item.object)["metadata"]["name"] for item in found] == [
        "conf",
        "second",
        "third",
        "fourth",
    ]
    assert [item.mark for item in found] == [Mark(2, 1), Mark(7, 1), Mark(15, 3), Mark(16, 49)]


def test_file_modes_are_octal_and_quantities_may_be_numbers() -> None:
    text = """
apiVersion: v1
kind: Pod
metadata: {name: agent}
spec:
  containers:
  - name: agent
    image: python:3.12
    resources: {limits: {cpu: 0.5, memory: 128Mi}}
  volumes:
  - name: conf
    configMap: {name: conf, defaultMode: 0644}
"""
    (found,) = load_manifests(text, "m.yaml").objects
    assert isinstance(found.object, core_v1.Pod)
    spec = encode(found.object)["spec"]
    assert spec["volumes"][0]["configMap"]["defaultMode"] == 0o644
    assert spec["containers"][0]["resources"]["limits"] == {"cpu": "500m", "memory": "128Mi"}
