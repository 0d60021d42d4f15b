"""What the annotation pillion.dev/identity adds to a Pod, and what it leaves alone."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from pillion.inject import IDENTITY_PATH, IDENTITY_VOLUME, add_identity, check_identity
from pillion.objects import core_v1, decode, default, encode, validate

Tree = dict[str, Any]

MOUNT = {"name": IDENTITY_VOLUME, "readOnly": True, "mountPath": IDENTITY_PATH}


def a_pod(value: str | None = "true", **spec: Any) -> Tree:
    annotations = {} if value is None else {"pillion.dev/identity": value}
    return {
        "metadata": {"name": "agent", "annotations": annotations},
        "spec": {"containers": [{"name": "main", "image": "box"}], **spec},
    }


def test_every_container_finds_its_certificate_its_key_and_whom_to_trust_in_one_folder() -> None:
    pod = a_pod(
        initContainers=[{"name": "proxy", "image": "box", "restartPolicy": "Always"}],
        volumes=[{"name": "own", "emptyDir": {}}],
    )
    before = msgspec.json.encode(pod)
    spec = add_identity(pod)["spec"]
    assert [c["volumeMounts"] for c in (*spec["initContainers"], *spec["containers"])] == [[MOUNT], [MOUNT]]
    own, identity = spec["volumes"]
    assert own["name"] == "own"
    assert identity == {
        "name": IDENTITY_VOLUME,
        "projected": {
            "defaultMode": 0o644,
            "sources": [
                {
                    "podCertificate": {
                        "signerName": "pillion.dev/identity",
                        "keyType": "ECDSAP256",
                        "keyPath": "tls.key",
                        "certificateChainPath": "tls.crt",
                    }
                },
                {
                    "clusterTrustBundle": {
                        "signerName": "pillion.dev/identity",
                        "labelSelector": {},
                        "path": "ca.crt",
                    }
                },
            ],
        },
    }
    assert msgspec.json.encode(pod) == before, "the tree that was given is left alone"


def test_what_is_added_is_a_good_pod_and_survives_reading_and_writing() -> None:
    added = add_identity(a_pod())
    pod, problems = decode(core_v1.Pod, {"apiVersion": "v1", "kind": "Pod", **added})
    assert problems == []
    assert validate(default(pod)) == []
    assert encode(pod)["spec"]["volumes"] == added["spec"]["volumes"]


def test_twice_is_as_good_as_once() -> None:
    once = add_identity(a_pod())
    assert add_identity(once) == once


@pytest.mark.parametrize("value", [None, "false"])
def test_who_does_not_ask_gets_nothing(value: str | None) -> None:
    pod = a_pod(value)
    assert check_identity(pod) == []
    assert add_identity(pod) is pod


def test_a_container_that_mounts_something_in_its_place_keeps_that() -> None:
    own = [{"name": "own", "mountPath": f"{IDENTITY_PATH}/"}]
    pod = a_pod(containers=[{"name": "main", "image": "box", "volumeMounts": own}])
    assert add_identity(pod) is pod


def test_a_volume_that_was_written_by_hand_is_the_one_that_is_mounted() -> None:
    own = {"name": IDENTITY_VOLUME, "secret": {"secretName": "from-cert-manager"}}
    spec = add_identity(a_pod(volumes=[own]))["spec"]
    assert spec["volumes"] == [own]
    assert spec["containers"][0]["volumeMounts"] == [MOUNT]


@pytest.mark.parametrize("value", ["yes", "True", "", "1"])
def test_another_value_is_said_to_be_wrong(value: str) -> None:
    [error] = check_identity(a_pod(value))
    assert str(error) == (
        f'metadata.annotations[pillion.dev/identity]: Unsupported value: "{value}": '
        'supported values: "false", "true"'
    )
