"""Our entries in a user's kubeconfig."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from pillion.daemon.kubeconfig import build_kubeconfig, format_kubeconfig, merge_kubeconfig
from pillion.errors import ManifestError

OURS = build_kubeconfig(server="https://127.0.0.1:6443", ca_pem="CA", token="t")
THEIRS: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Config",
    "clusters": [{"name": "prod", "cluster": {"server": "https://prod"}}],
    "users": [{"name": "me", "user": {"token": "x"}}],
    "contexts": [{"name": "prod", "context": {"cluster": "prod", "user": "me"}}],
    "current-context": "prod",
    "preferences": {"colors": True},
}


def merged(text: str) -> dict[str, Any]:
    tree: dict[str, Any] = yaml.safe_load(merge_kubeconfig(text, OURS))
    return tree


def test_an_empty_file_becomes_ours() -> None:
    assert merged("") == OURS


def test_what_others_have_stays() -> None:
    after = merged(yaml.safe_dump(THEIRS))
    assert after["clusters"] == THEIRS["clusters"] + OURS["clusters"]
    assert after["users"] == THEIRS["users"] + OURS["users"]
    assert after["contexts"] == THEIRS["contexts"] + OURS["contexts"]
    assert (after["current-context"], after["preferences"]) == ("pillion", {"colors": True})


def test_merging_twice_is_merging_once() -> None:
    once = merge_kubeconfig(yaml.safe_dump(THEIRS), OURS)
    assert merge_kubeconfig(once, OURS) == once


@pytest.mark.parametrize("text", ["a: [", "- a", "kind: Pod", "kind: Config\nclusters: {}\nusers: 1"])
def test_a_file_that_is_no_kubeconfig_is_left_alone(text: str) -> None:
    if "clusters: {}" in text:
        text = text.replace("{}", "x")
    with pytest.raises(ManifestError, match="cannot merge the kubeconfig"):
        merge_kubeconfig(text, OURS)


def test_it_reads_as_it_was_written() -> None:
    assert yaml.safe_load(format_kubeconfig(OURS)) == OURS
