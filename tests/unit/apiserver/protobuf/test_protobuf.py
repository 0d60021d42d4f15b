"""Bodies as kubectl 1.32 sends them, bodies encoded by hand, and bodies nobody should send."""

from __future__ import annotations

import base64
import contextlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillion.apiserver.protobuf import ProtobufError, decode
from pillion.apiserver.protobuf.messages import Leaf, Multiplicity, messages
from pillion.objects import core_v1, meta_v1

# Captured from kubectl 1.32.4: the command, its body, the tree of `-o json --dry-run=client` without nulls and empties.
CAPTURED: dict[str, tuple[str, dict[str, Any]]] = {
    "create configmap cm --from-literal=a=b --from-literal=c=d": (
        "azhzAAoPCgJ2MRIJQ29uZmlnTWFwEiQKEgoCY20SABoAIgAqADIAOABCABIGCgFhEgFiEgYKAWMSAWQaACIA",
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cm"}, "data": {"a": "b", "c": "d"}},
    ),
    "create secret generic s --from-literal=a=b": (
        "azhzAAoMCgJ2MRIGU2VjcmV0Eh0KEQoBcxIAGgAiACoAMgA4AEIAEgYKAWESAWIaABoAIgA=",
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"a": "Yg=="}},
    ),
    "create namespace n": (
        "azhzAAoPCgJ2MRIJTmFtZXNwYWNlEhkKEQoBbhIAGgAiACoAMgA4AEIAEgAaAgoAGgAiAA==",
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}},
    ),
    "create serviceaccount sa": (
        "azhzAAoUCgJ2MRIOU2VydmljZUFjY291bnQSFAoSCgJzYRIAGgAiACoAMgA4AEIAGgAiAA==",
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "sa"}},
    ),
    "create token sa --duration=1h": (
        (
            "azhzAAooChhhdXRoZW50aWNhdGlvbi5rOHMuaW8vdjESDFRva2VuUmVxdWVzdBIdChAKABIAGgAiACoAMgA4AEIAEgMgkBwa"
            "BAoAEgAaACIA"
        ),
        {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": 3600},
        },
    ),
    "create service clusterip svc --tcp=80:8080": (
        (
            "azhzAAoNCgJ2MRIHU2VydmljZRJpCh8KA3N2YxIAGgAiACoAMgA4AEIAWgoKA2FwcBIDc3ZjEkIKGwoHODAtODA4MBIDVENQ"
            "GFAiBwgAEJA/GgAoABIKCgNhcHASA3N2YxoAIglDbHVzdGVySVA6AEIAUgBaAGAAaAAaAgoAGgAiAA=="
        ),
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "svc", "labels": {"app": "svc"}},
            "spec": {
                "ports": [{"name": "80-8080", "protocol": "TCP", "port": 80, "targetPort": 8080}],
                "selector": {"app": "svc"},
                "type": "ClusterIP",
            },
        },
    ),
    "debug p --image=busybox --copy-to=p2": (
        (
            "azhzAAoJCgJ2MRIDUG9kEpoBChkKAnAyEgAaB2RlZmF1bHQiACoAMgA4AEIAEmsSGgoBYRIBeCoAQgBqAHIAgAEAiAEAkAEA"
            "ogEAEjEKDmRlYnVnZ2VyLWhzcXhoEgdidXN5Ym94KgBCAGoAcgCAAQCIAQCQAQCiAQRGaWxlGgAyAEIASgBSAFgAYABoAIIB"
            "AIoBAJoBAMIBABoQCgAaACIAKgAyAEoAWgByABoAIgA="
        ),
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "p2", "namespace": "default"},
            "spec": {
                "containers": [
                    {"name": "a", "image": "x"},
                    {
                        "name": "debugger-hsqxh",
                        "image": "busybox",
                        "terminationMessagePolicy": "File",
                    },
                ]
            },
        },
    ),
    "auth can-i get pods": (
        (
            "azhzAAoyChdhdXRob3JpemF0aW9uLms4cy5pby92MRIXU2VsZlN1YmplY3RBY2Nlc3NSZXZpZXcSPAoQCgASABoAIgAqADIA"
            "OABCABIeChwKB2RlZmF1bHQSA2dldBoAIgAqBHBvZHMyADoAGggIABIAGgAgABoAIgA="
        ),
        {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {"namespace": "default", "verb": "get", "resource": "pods"}},
            "status": {"allowed": False},
        },
    ),
}


@pytest.mark.parametrize("command", CAPTURED)
def test_what_kubectl_sends_is_what_its_json_says(command: str) -> None:
    body, tree = CAPTURED[command]
    assert decode(base64.b64decode(body)) == tree


Wire = int | str | bytes | list[tuple[int, "Wire"]]


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def encode(fields: list[tuple[int, Wire]]) -> bytes:
    """The protobuf encoding, from its description alone."""
    out = b""
    for number, value in fields:
        if isinstance(value, int):
            out += varint(number << 3) + varint(value)
        else:
            run = (
                encode(value)
                if isinstance(value, list)
                else value.encode()
                if isinstance(value, str)
                else value
            )
            out += varint(number << 3 | 2) + varint(len(run)) + run
    return out


def body(api_version: str, kind: str, message: list[tuple[int, Wire]], *more: tuple[int, Wire]) -> bytes:
    return b"k8s\x00" + encode([(1, [(1, api_version), (2, kind)]), (2, encode(message)), *more])


POD_SPECS: list[tuple[str, list[tuple[int, Wire]], dict[str, Any]]] = [
    (
        "a pointer keeps its zero",
        [(4, 0), (21, 0)],
        {"terminationGracePeriodSeconds": 0, "automountServiceAccountToken": False},
    ),
    ("a plain zero is left out", [(11, 0), (3, ""), (10, "")], {}),
    ("a pointer keeps an empty object", [(14, [])], {"securityContext": {}}),
    (
        "a volume's source is inlined",
        [(1, [(1, "v"), (2, [(2, [(1, "")])])])],
        {"volumes": [{"name": "v", "emptyDir": {}}]},
    ),
    (
        "a quantity is text, in objects and maps",
        [
            (1, [(1, "v"), (2, [(2, [(1, "Memory"), (2, [(1, "64Mi")])])])]),
            (32, [(1, "cpu"), (2, [(1, "10m")])]),
        ],
        {
            "volumes": [{"name": "v", "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}}],
            "overhead": {"cpu": "10m"},
        },
    ),
    (
        "a port is a number or a name",
        [
            (2, [(1, "c"), (10, [(1, [(3, [(1, [(1, 0), (2, 80), (3, "")])])])])]),
            (2, [(1, "d"), (10, [(1, [(3, [(1, [(1, 1), (2, 0), (3, "web")])])])])]),
        ],
        {
            "containers": [
                {"name": "c", "livenessProbe": {"tcpSocket": {"port": 80}}},
                {"name": "d", "livenessProbe": {"tcpSocket": {"port": "web"}}},
            ]
        },
    ),
    (
        "a selector's name is inlined",
        [(2, [(1, "c"), (7, [(1, "E"), (2, ""), (3, [(3, [(1, [(1, "cm")]), (2, "k"), (3, 0)])])])])],
        {
            "containers": [
                {
                    "name": "c",
                    "env": [
                        {
                            "name": "E",
                            "valueFrom": {"configMapKeyRef": {"name": "cm", "key": "k", "optional": False}},
                        }
                    ],
                }
            ]
        },
    ),
    (
        "an init container's restart policy and rules",
        [(20, [(1, "s"), (24, "Always"), (25, [(1, "Restart"), (2, [(1, "In"), (2, 3), (2, 4)])])])],
        {
            "initContainers": [
                {
                    "name": "s",
                    "restartPolicy": "Always",
                    "restartPolicyRules": [
                        {"action": "Restart", "exitCodes": {"operator": "In", "values": [3, 4]}}
                    ],
                }
            ]
        },
    ),
    (
        "an ephemeral container's body is inlined",
        [(34, [(1, [(1, "e"), (2, "busybox")]), (2, "app")])],
        {"ephemeralContainers": [{"name": "e", "image": "busybox", "targetContainerName": "app"}]},
    ),
    ("negative numbers", [(25, -5)], {"priority": -5}),
    (
        "lists of numbers, packed or not",
        [(14, [(4, 1), (4, b"\x02\xac\x02")])],
        {"securityContext": {"supplementalGroups": [1, 2, 300]}},
    ),
    ("fields nobody knows", [(999, "x"), (1000, 7), (10, "node")], {"nodeName": "node"}),
    ("the last of a repeated single field", [(10, "a"), (10, "b")], {"nodeName": "b"}),
]


@pytest.mark.parametrize(("claim", "fields", "spec"), POD_SPECS, ids=[claim for claim, _, _ in POD_SPECS])
def test_a_pod_spec(claim: str, fields: list[tuple[int, Wire]], spec: dict[str, Any]) -> None:
    decoded = decode(body("v1", "Pod", [(2, fields)]))
    assert decoded.get("spec", {}) == spec


METAS: list[tuple[list[tuple[int, Wire]], dict[str, Any]]] = [
    ([(8, b"")], {}),
    ([(8, [(1, 1767323045), (2, 0)])], {"creationTimestamp": "2026-01-02T03:04:05Z"}),
    ([(9, [(1, 1767323045), (2, 0)])], {"deletionTimestamp": "2026-01-02T03:04:05Z"}),
    ([(11, [(1, "a"), (2, "")]), (11, [(1, "b")])], {"labels": {"a": "", "b": ""}}),
    ([(14, "f"), (14, "g")], {"finalizers": ["f", "g"]}),
    (
        [(17, [(1, "m"), (7, [(1, '{"f:data":{}}')])])],
        {"managedFields": [{"manager": "m", "fieldsV1": {"f:data": {}}}]},
    ),
]


@pytest.mark.parametrize(("fields", "metadata"), METAS)
def test_an_objects_metadata(fields: list[tuple[int, Wire]], metadata: dict[str, Any]) -> None:
    assert decode(body("v1", "ConfigMap", [(1, fields)])).get("metadata", {}) == metadata


OTHERS: list[tuple[str, str, list[tuple[int, Wire]], dict[str, Any]]] = [
    ("policy/v1", "Eviction", [(2, [(1, 0)])], {"deleteOptions": {"gracePeriodSeconds": 0}}),
    (
        "apps/v1",
        "DeleteOptions",
        [(1, 5), (4, "Orphan"), (2, [(1, "u")])],
        {"gracePeriodSeconds": 5, "propagationPolicy": "Orphan", "preconditions": {"uid": "u"}},
    ),
    ("v1", "Binding", [(2, [(1, "Node"), (3, "n")])], {"target": {"kind": "Node", "name": "n"}}),
    (
        "coordination.k8s.io/v1",
        "Lease",
        [(2, [(4, [(1, 1767323045), (2, 6000)])])],
        {"spec": {"renewTime": "2026-01-02T03:04:05.000006Z"}},
    ),
    ("events.k8s.io/v1", "Event", [(10, "note")], {"note": "note"}),
    (
        "authentication.k8s.io/v1",
        "TokenReview",
        [(3, [(2, [(4, [(1, "k"), (2, [(1, "x"), (1, "y")])])])])],
        {"status": {"user": {"extra": {"k": ["x", "y"]}}}},
    ),
]


@pytest.mark.parametrize(("api_version", "kind", "fields", "expected"), OTHERS)
def test_other_kinds(
    api_version: str, kind: str, fields: list[tuple[int, Wire]], expected: dict[str, Any]
) -> None:
    assert decode(body(api_version, kind, fields)) == {"apiVersion": api_version, "kind": kind, **expected}


REFUSED: list[tuple[bytes, str]] = [
    (b"", "does not appear to be a protobuf message, expected prefix [107 56 115 0]"),
    (b'{"kind":"Pod"}', "does not appear to be a protobuf message"),
    (b"k8s\x00", 'no kind "" is registered for version ""'),
    (body("v1", "Podd", []), 'no kind "Podd" is registered for version "v1"'),
    (body("v1", "Pod", [], (4, "application/json")), "its content is not protobuf"),
    (body("v1", "Pod", [], (3, "gzip")), "its content is not protobuf"),
    (body("v1", "Pod", [(2, [(10, b"\xff")])]), "a string is not UTF-8"),
    (body("v1", "Pod", [(2, [(10, 3)])]), "nodeName must not be a number"),
    (body("v1", "Pod", [(2, [(4, "3")])]), "terminationGracePeriodSeconds must be a number"),
    (body("v1", "Pod", [(1, [(8, [(1, 1 << 62)])])]), "a time is out of range"),
    (body("v1", "Pod", [(1, [(17, [(7, [(1, "{")])])])]), "fieldsV1"),
    (b"k8s\x00\x0a\x7f\x01", "it ends within a field"),
    (b"k8s\x00\x80", "it ends within a number"),
    (b"k8s\x00" + b"\xff" * 11, "longer than 64 bits"),
    (b"k8s\x00\x0b", "unknown wire type 3"),
    (b"k8s\x00\x00\x00", "a field has number 0"),
]


@pytest.mark.parametrize(("sent", "message"), REFUSED)
def test_what_is_not_protobuf_is_refused(sent: bytes, message: str) -> None:
    with pytest.raises(ProtobufError) as refusal:
        decode(sent)
    assert message in str(refusal.value)


@given(st.sampled_from([base64.b64decode(sent) for sent, _ in CAPTURED.values()]), st.data())
def test_a_damaged_body_is_read_or_refused_and_nothing_else(sent: bytes, data: st.DataObject) -> None:
    damaged = bytearray(sent)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(4, len(damaged) - 1))
        damaged[place] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ProtobufError):
        decode(bytes(damaged[: data.draw(st.integers(4, len(damaged)))]))


def test_every_message_and_field_of_the_table_is_in_kubernetes_types() -> None:
    modules = {"core_v1": core_v1, "meta_v1": meta_v1}
    strangers = []
    for name, message in messages().items():
        module, _, type_name = name.rpartition(".")
        model = getattr(modules.get(module), type_name, None)
        for field in message.values():
            if not isinstance(field.kind, Leaf):
                assert field.kind in messages()
            if model is not None and field.multiplicity is not Multiplicity.INLINE:
                names = {known.encode_name for known in msgspec.structs.fields(model)}
                if field.name not in names:
                    strangers.append(f"{name}.{field.name}")
    # The models have their common half only.
    assert [
        stranger for stranger in strangers if not stranger.startswith("core_v1.EphemeralContainerCommon")
    ] == []
