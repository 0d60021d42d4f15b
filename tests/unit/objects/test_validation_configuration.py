"""ConfigMaps, Secrets and Namespaces."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from pillion.objects.codec import decode
from pillion.objects.defaults import default
from pillion.objects.models import core_v1
from pillion.objects.validation import validate, validate_update

Tree = dict[str, Any]


def secret(kind: str = "Opaque", **fields: Any) -> core_v1.Secret:
    tree = {"metadata": {"name": "s", "resourceVersion": "1"}, "type": kind, **fields}
    obj, problems = decode(core_v1.Secret, tree)
    assert problems == []
    return default(obj)


def config(**fields: Any) -> core_v1.ConfigMap:
    obj, problems = decode(core_v1.ConfigMap, {"metadata": {"name": "c", "resourceVersion": "1"}, **fields})
    assert problems == []
    return default(obj)


TYPED: dict[str, tuple[core_v1.Secret, list[str]]] = {
    "opaque": (secret(), []),
    "tls": (
        secret("kubernetes.io/tls"),
        ["data[tls.crt]: Required value", "data[tls.key]: Required value"],
    ),
    "tls, complete": (secret("kubernetes.io/tls", stringData={"tls.crt": "", "tls.key": ""}), []),
    "docker": (
        secret("kubernetes.io/dockerconfigjson"),
        ["data[.dockerconfigjson]: Required value"],
    ),
    "docker, not JSON": (
        secret("kubernetes.io/dockerconfigjson", stringData={".dockerconfigjson": "x"}),
        [
            (
                'data[.dockerconfigjson]: Invalid value: "<secret contents redacted>": '
                "invalid character 'x' looking for beginning of value"
            )
        ],
    ),
    "docker, no object": (
        secret("kubernetes.io/dockercfg", stringData={".dockercfg": "[]"}),
        [
            (
                'data[.dockercfg]: Invalid value: "<secret contents redacted>": '
                "json: cannot unmarshal array into Go value of type map[string]interface {}"
            )
        ],
    ),
    "basic auth": (
        secret("kubernetes.io/basic-auth"),
        ["data[username]: Required value", "data[password]: Required value"],
    ),
    "basic auth, half": (secret("kubernetes.io/basic-auth", stringData={"username": ""}), []),
    "ssh": (
        secret("kubernetes.io/ssh-auth", stringData={"ssh-privatekey": ""}),
        ["data[ssh-privatekey]: Required value"],
    ),
    "service account": (
        secret("kubernetes.io/service-account-token"),
        ["metadata.annotations[kubernetes.io/service-account.name]: Required value"],
    ),
    "bootstrap token": (secret("bootstrap.kubernetes.io/token"), []),
    "too large": (
        secret(data={"a": base64.b64encode(b"x" * (1024 * 1024 + 1)).decode()}),
        ["data: Too long: may not be more than 1048576 bytes"],
    ),
}


@pytest.mark.parametrize(("obj", "expected"), TYPED.values(), ids=TYPED.keys())
def test_a_typed_secret_needs_its_keys(obj: core_v1.Secret, expected: list[str]) -> None:
    assert [str(error) for error in validate(obj)] == expected


def test_a_config_map_has_file_names_for_keys_and_each_key_once() -> None:
    broken = config(data={"a": "1", "..": "2"}, binaryData={"a": "MQ=="})
    assert [str(error) for error in validate(broken)] == [
        "data[..]: Invalid value: \"..\": must not be '..'",
        'data[a]: Invalid value: "a": duplicate of key present in binaryData',
    ]


def test_a_config_map_holds_a_mebibyte() -> None:
    full = "x" * (1024 * 1024)
    assert validate(config(data={"a": full})) == []
    assert [str(error) for error in validate(config(data={"a": full, "b": "x"}))] == [
        "[]: Too long: may not be more than 1048576 bytes"
    ]


def test_immutable_data_stay() -> None:
    frozen = "Forbidden: field is immutable when `immutable` is set"
    old = config(immutable=True, data={"a": "1"})
    assert [str(e) for e in validate_update(config(data={"a": "2"}), old)] == [
        f"immutable: {frozen}",
        f"data: {frozen}",
    ]
    assert validate_update(config(immutable=True, data={"a": "1"}), old) == []
    kept = secret(immutable=True, stringData={"a": "1"})
    changed = secret("custom", immutable=True, stringData={"a": "2"})
    assert [str(e) for e in validate_update(changed, kept)] == [
        'type: Invalid value: "custom": field is immutable',
        f"data: {frozen}",
    ]


def test_a_namespace_is_a_label_and_is_in_no_namespace() -> None:
    namespace, _ = decode(core_v1.Namespace, {"metadata": {"name": "a.b", "namespace": "c"}})
    assert [str(error) for error in validate(namespace)] == [
        'metadata.name: Invalid value: "a.b": must not contain dots',
        "metadata.namespace: Forbidden: not allowed on this type",
    ]
