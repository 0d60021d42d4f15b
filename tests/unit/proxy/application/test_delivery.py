"""From one snapshot to the next: what is written when, and where keys are."""

from __future__ import annotations

import msgspec

from pillion.proxy.application.delivery import stages, with_keys_in
from pillion.proxy.xds import Snapshot

EMPTY = Snapshot(listeners={}, routes={}, clusters={}, secrets={})


def snapshot(*names: str, version: int = 1) -> Snapshot:
    resources = {name: {"version": version} for name in names}
    return Snapshot(listeners=resources, routes=resources, clusters=resources, secrets=resources)


def test_nothing_refers_to_what_is_not_there_on_the_way_from_one_to_the_next() -> None:
    old, new = snapshot("a", "b"), snapshot("b", "c", version=2)
    on_the_way = stages(old, new)
    for stage in on_the_way:
        assert stage.listeners.keys() <= stage.routes.keys()
        assert stage.routes.keys() & stage.listeners.keys() <= stage.clusters.keys()
        assert stage.listeners.keys() <= stage.secrets.keys()
    assert on_the_way[-1] == new


def test_listeners_and_routes_change_after_clusters_and_secrets() -> None:
    first, second, _ = stages(snapshot("a", version=1), snapshot("a", version=2))
    assert (first.clusters["a"], first.secrets["a"]) == ({"version": 2}, {"version": 2})
    assert (first.routes["a"], first.listeners["a"]) == ({"version": 1}, {"version": 1})
    assert (second.routes["a"], second.listeners["a"]) == ({"version": 2}, {"version": 2})


def test_keys_are_replaced_by_where_they_are_and_nothing_else_is_touched() -> None:
    certificate = {
        "name": "agent.certificate",
        "tls_certificate": {
            "certificate_chain": {"inline_string": "chain"},
            "private_key": {"inline_string": "key"},
        },
    }
    bundle = {"name": "agent.bundle", "validation_context": {"trusted_ca": {"inline_string": "bundle"}}}
    given = msgspec.structs.replace(EMPTY, secrets={"agent.certificate": certificate, "agent.bundle": bundle})
    placed = with_keys_in(given, lambda name, pem: f"/dev/fd/{name}/{pem}")
    assert placed.secrets["agent.certificate"]["tls_certificate"] == {
        "certificate_chain": {"inline_string": "chain"},
        "private_key": {"filename": "/dev/fd/agent.certificate/key"},
    }
    assert placed.secrets["agent.bundle"] == bundle
    assert given.secrets["agent.certificate"] == certificate
