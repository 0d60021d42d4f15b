"""Snapshots on their way to Envoy: checked by it, written for it, taken or taken back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from pillion.errors import HostError
from pillion.proxy.application import memory
from pillion.proxy.application.folder import WorkingFolder, open_folder
from pillion.proxy.envoy import updates
from pillion.proxy.envoy.admin import AdminError
from pillion.proxy.envoy.keys import KeyFiles
from pillion.proxy.envoy.validation import EnvoyRefusedError, validate
from pillion.proxy.xds import bootstrap, files, validation_bootstrap
from pillion.proxy.xds.names import CLUSTERS_FILE, LISTENERS_FILE, routes_file, secret_file
from pillion.proxy.xds.snapshot import Snapshot

if TYPE_CHECKING:
    from pathlib import Path

    from pillion.proxy.configuration.values import Configuration
    from pillion.proxy.envoy.admin import Admin
    from pillion.proxy.envoy.launch import Call, EnvoyProcess

KEY_FILES = 64
"""Of a running Envoy: two for each certificate, as a new key has a file of its own, and room for new certificates."""
PATIENCE = 30.0
"""Seconds for Envoy to take an update: names of clusters are asked for before they are ready, on a busy machine."""
_INTERVAL = 0.01
"""Seconds between two looks. Envoy tells nobody, and takes 10 to 50 ms."""
BOOTSTRAP = "bootstrap.json"


class _Versioned(msgspec.Struct):
    version_info: str


class Delivery:
    """One running Envoy's files. `close` must be called in the end."""

    def __init__(self, call: Call, folder: WorkingFolder, admin: Admin) -> None:
        self.keys = KeyFiles(KEY_FILES)
        self._call = call
        self._folder = folder
        self._admin = admin
        self._delivered: Snapshot | None = None

    def close(self) -> None:
        self.keys.close()

    @property
    def bootstrap(self) -> Path:
        return self._folder.path / BOOTSTRAP

    def write_first(self, configuration: Configuration, snapshot: Snapshot) -> None:
        """For an Envoy that is not started yet. Raises HostError."""
        heap = memory.heap_bytes(memory.container_limit())
        placed = with_keys_in(snapshot, self.keys.place)
        place = str(self._folder.path)
        self._folder.write({BOOTSTRAP: bootstrap(configuration, place, heap), **files(placed, place)})
        self._delivered = snapshot

    async def until_taken(self, envoy: EnvoyProcess) -> None:
        """Wait for the first snapshot. Raises EnvoyRefusedError, AdminError."""
        assert self._delivered is not None
        await self._until_it_answers(envoy)
        await self._wait(with_keys_in(self._delivered, self.keys.place), {}, envoy)

    async def deliver(self, snapshot: Snapshot, envoy: EnvoyProcess) -> None:
        """Bring Envoy to it. Raises EnvoyRefusedError when it does not take it, AdminError when it does not say whether
        it has, HostError when a file cannot be written: then it is told again what it was told before.

        First what others refer to, with clusters old and new; then routes and listeners; then old clusters go. So no
        request meets a route whose cluster is gone, or not there yet.
        """
        assert self._delivered is not None
        old = with_keys_in(self._delivered, self.keys.place)
        new = with_keys_in(snapshot, self.keys.place)
        try:
            for stage in stages(old, new):
                await self._bring(stage, envoy)
        except (EnvoyRefusedError, AdminError, HostError):
            back = with_keys_in(self._delivered, self.keys.place)
            for stage in stages(new, back):
                self._folder.write(files(stage, str(self._folder.path)))
            raise
        self._delivered = snapshot
        self._folder.keep_only({BOOTSTRAP, *files(new, str(self._folder.path))})
        self.keys.keep_only(set(new.secrets))

    async def _until_it_answers(self, envoy: EnvoyProcess) -> None:
        """It opens its admin port before it reads the files."""
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    try:
                        await self._admin.is_live()
                    except AdminError:
                        await asyncio.sleep(_INTERVAL)
                    else:
                        return
        except TimeoutError:
            words = "; ".join(envoy.severe) or "it says nothing"
            raise EnvoyRefusedError(f"Envoy has not started within {PATIENCE:g} s: {words}") from None

    async def _bring(self, snapshot: Snapshot, envoy: EnvoyProcess) -> None:
        written = files(snapshot, str(self._folder.path))
        before = await self._admin.stats(updates.PATTERN)
        envoy.forget_severe()
        if self._folder.write(written):
            await self._wait(snapshot, before, envoy)

    async def _wait(self, snapshot: Snapshot, before: updates.Stats, envoy: EnvoyProcess) -> None:
        wanted = _wanted(snapshot, files(snapshot, str(self._folder.path)))
        verdict = updates.Verdict()
        try:
            async with asyncio.timeout(PATIENCE):
                while not verdict.is_taken:
                    verdict = updates.judge(wanted, before, await self._admin.stats(updates.PATTERN))
                    if verdict.refused:
                        # Its reason is on the way through a pipe, written before the counter was.
                        await asyncio.sleep(_INTERVAL)
                        words = "; ".join(envoy.severe) or ", ".join(verdict.refused)
                        raise EnvoyRefusedError(f"Envoy does not take the configuration: {words}")
                    await asyncio.sleep(_INTERVAL)
        except TimeoutError:
            waits = ", ".join((*verdict.waits_for, *envoy.severe))
            raise EnvoyRefusedError(
                f"Envoy has not taken the configuration within {PATIENCE:g} s: it waits for {waits}"
            ) from None


async def ask_envoy(call: Call, configuration: Configuration, snapshot: Snapshot) -> None:
    """Whether it would take it: before it is used. Raises EnvoyRefusedError, HostError."""
    keys = KeyFiles(len(snapshot.secrets))
    try:
        with open_folder() as folder:
            placed = with_keys_in(snapshot, keys.place)
            folder.write({BOOTSTRAP: validation_bootstrap(configuration, placed)})
            await validate(call, folder.path / BOOTSTRAP, keys.descriptors)
    finally:
        keys.close()


def with_keys_in(snapshot: Snapshot, place: Callable[[str, str], str]) -> Snapshot:
    """With each private key replaced by the path at which Envoy reads it."""
    secrets = {name: _with_key_in(name, secret, place) for name, secret in snapshot.secrets.items()}
    return msgspec.structs.replace(snapshot, secrets=secrets)


def _with_key_in(name: str, secret: Mapping[str, Any], place: Callable[[str, str], str]) -> dict[str, Any]:
    certificate = secret.get("tls_certificate")
    if certificate is None:
        return dict(secret)
    path = place(name, certificate["private_key"]["inline_string"])
    return {**secret, "tls_certificate": {**certificate, "private_key": {"filename": path}}}


def stages(old: Snapshot, new: Snapshot) -> tuple[Snapshot, ...]:
    """From one snapshot to the other without a reference to what is not there."""
    both = {**old.clusters, **new.clusters}
    return (
        msgspec.structs.replace(
            old, clusters=both, secrets={**old.secrets, **new.secrets}, routes={**new.routes, **old.routes}
        ),
        msgspec.structs.replace(
            new, clusters=both, secrets={**old.secrets, **new.secrets}, routes={**old.routes, **new.routes}
        ),
        new,
    )


def _wanted(snapshot: Snapshot, written: Mapping[str, bytes]) -> updates.Wanted:
    named = {
        "listener_manager.lds": LISTENERS_FILE,
        "cluster_manager.cds": CLUSTERS_FILE,
        **{f"rds.{name}": routes_file(name) for name in snapshot.routes},
        **{f"sds.{name}": secret_file(name) for name in snapshot.secrets},
    }
    versions = {
        subscription: msgspec.json.decode(written[file], type=_Versioned).version_info
        for subscription, file in named.items()
    }
    return updates.Wanted(versions=versions, listeners=len(snapshot.listeners))
