"""From one snapshot to the next: what is written when, and where keys are."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import cast

import msgspec
import pytest

from pillion.proxy.application.delivery import Delivery, stages, with_keys_in
from pillion.proxy.application.folder import open_folder
from pillion.proxy.configuration.values import Configuration
from pillion.proxy.envoy.admin import Admin, AdminError
from pillion.proxy.envoy.launch import Call, EnvoyProcess
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


class Falling(Admin):
    """Answers the first question, and no other."""

    def __init__(self) -> None:
        super().__init__(0)
        self._is_silent = False

    async def stats(self, pattern: str) -> dict[str, int | str]:
        if self._is_silent:
            raise AdminError("it does not answer")
        self._is_silent = True
        return {}


class Unheard:
    def forget_severe(self) -> None:
        """Nothing was said."""


def test_an_update_of_which_envoy_says_nothing_is_taken_back(tmp_path: Path) -> None:
    with open_folder(tmp_path) as folder:

        def told() -> dict[str, bytes]:
            return {path.name: path.read_bytes() for path in folder.path.iterdir()}

        delivery = Delivery(Call(program="envoy"), folder, Falling())
        delivery.write_first(Configuration(file="proxy.yaml"), snapshot("a"))
        before = told()
        with pytest.raises(AdminError):
            asyncio.run(delivery.deliver(snapshot("a", version=2), cast(EnvoyProcess, Unheard())))
        assert told() == before
        delivery.close()
