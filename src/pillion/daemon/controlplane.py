"""Putting the server together: store, API, controllers and node, and how they hear of each other.

What a cluster has in several programs is one process here: kube-apiserver, kube-controller-manager, kube-scheduler
and kubelet, all of them over one store and one set of rules for writing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address
from pathlib import Path

from starlette.applications import Starlette

from pillion.apiserver import admission
from pillion.apiserver.accounttokens import ServiceAccountTokens, find_account
from pillion.apiserver.admission.clusterip import KUBERNETES_IP, SERVICE_NETWORK
from pillion.apiserver.app import build_app
from pillion.apiserver.authentication import TokenAuthenticator
from pillion.apiserver.authorization import authorize
from pillion.apiserver.catalogue import build_registry
from pillion.apiserver.openapi import OpenApi
from pillion.apiserver.openapiroutes import openapi_routes
from pillion.apiserver.seams import User
from pillion.apiserver.serverinfo import GIT_VERSION
from pillion.apiserver.streams import serve_streams
from pillion.apiserver.writes import Writes
from pillion.clock import Clock
from pillion.daemon.api import Api
from pillion.daemon.assembly import Config, build_certificates, build_drivers
from pillion.daemon.authority import Authority, open_authority
from pillion.daemon.controllers import (
    eventexpiry,
    kubernetesservice,
    namespaces,
    nodeobject,
    orphanedpods,
    serviceaccounts,
)
from pillion.daemon.controllers.garbagecollector import GarbageCollector
from pillion.daemon.controllers.scheduler import Scheduler
from pillion.daemon.events import Events
from pillion.daemon.poddoor import PodDoor
from pillion.daemon.podsource import PodSource
from pillion.daemon.podtokens import PodTokens
from pillion.daemon.serving import open_state_dir
from pillion.daemon.statuswriter import StatusWriter
from pillion.daemon.storedconfigs import StoredConfigs
from pillion.network import ServiceNetwork
from pillion.node import Node, SavedPod
from pillion.node.serving import PodServer
from pillion.store import SqliteStore, Store
from pillion.volumes import Credentials

REFERENCES_PAUSE = 0.05
"""Seconds between two rounds of telling pods that ConfigMaps or Secrets have changed: a burst of changes is one."""


class ControlPlane:
    """Everything but the lock, the socket and the signals. `open`, then `run` until cancelled, then `close`."""

    def __init__(self, config: Config, clock: Clock, port: int) -> None:
        self._clock = clock
        self._port = port
        self._on_pod_gone: Callable[[], None] = lambda: None
        self.state = open_state_dir(config.state_dir)
        self.store: Store = SqliteStore(Path(self.state.objects))
        pki = Path(self.state.pki)
        self.authority: Authority = open_authority(pki, clock.now(), (KUBERNETES_IP,))
        registry = build_registry()
        self.writes = Writes(self.store, clock, _admission(self.store))
        self.api = Api(self.store, registry, self.writes, clock)
        self._tokens = tokens = ServiceAccountTokens(self.store, clock, self.authority.token_key_pem)
        self._authenticate = TokenAuthenticator(self.authority.admin_token, tokens)
        self._pod_tokens = PodTokens(self.store, tokens, clock)
        configs = StoredConfigs(self.store)
        self._certificates = build_certificates(
            config,
            clock,
            has_account=lambda namespace, name: find_account(self.store, namespace, name) is not None,
            services=configs.services,
        )
        self.door = PodDoor(port)
        self.drivers = build_drivers(
            config,
            clock,
            configs,
            services=configs.services,
            credentials=Credentials(self._pod_tokens, self._certificates),
            service_network=ServiceNetwork(
                addresses=SERVICE_NETWORK,
                api_server=IPv4Address(KUBERNETES_IP),
                port=kubernetesservice.PORT,
                target_port=port,
                listen=self.door.open,
            ),
        )
        self.events = Events(self.api)
        self._writer = StatusWriter(self.api, self.events)
        self.node = Node(self.drivers, self._writer)
        self._serving = PodServer(self.drivers, lambda: self.node.workers)
        self.app: Starlette = build_app(
            self.store,
            registry,
            self._serving,
            clock,
            self.writes,
            authenticate=self._who,
            authorize=authorize,
            streams=serve_streams,
            issue_token=tokens.answer,
            routes=openapi_routes(OpenApi(registry, version=GIT_VERSION)),
        )

    async def open(self) -> dict[str, SavedPod]:
        """What an earlier process left on the node. Raises HostError."""
        await self.store.open()
        try:
            await self._certificates.open()
            return await self.node.open()
        except BaseException:
            self.door.close()
            await self.store.close()
            raise

    def on_pod_gone(self, callback: Callable[[], None]) -> None:
        """Told whenever nothing of some pod is left, neither in the store nor on the node."""
        self._on_pod_gone = callback

    def _pod_gone(self) -> None:
        self._on_pod_gone()

    def _who(self, authorization: str | None) -> User | None:
        return self._authenticate(authorization)

    async def renew_authority(self) -> bool:
        """Make anew what ends soon, or is gone; whether clients need another kubeconfig then. Raises HostError."""
        before = self.authority
        addresses = (KUBERNETES_IP, *self.door.addresses)
        self.authority = open_authority(Path(self.state.pki), self._clock.now(), addresses)
        if self.authority.admin_token != before.admin_token:
            self._authenticate = TokenAuthenticator(self.authority.admin_token, self._tokens)
        if self.authority.ca_pem != before.ca_pem:
            for item in self.store.list("namespaces").items:
                await serviceaccounts.ensure(self.api, item.key.name, self.authority.ca_pem)
        return (self.authority.ca_pem, self.authority.admin_token) != (before.ca_pem, before.admin_token)

    async def close(self) -> None:
        self.door.close()
        await self.node.close()
        await self.store.close()

    async def run(self, saved: Mapping[str, SavedPod], ready: asyncio.Event) -> None:
        """Until cancelled. `ready` is set when the API may be asked: all pods are taken over."""
        facts = self.drivers.node
        source = PodSource(
            self.api, self.node, facts.name, self._writer, (self._pod_tokens, self._certificates), saved
        )
        source.on_gone(self._pod_gone)
        loop = asyncio.get_running_loop()
        # A worker reports its end from within; it is forgotten once it has returned.
        self._writer.on_finished(lambda uid: _later(loop, source, uid))
        async with asyncio.TaskGroup() as tasks:
            node_ready = asyncio.Event()
            tasks.create_task(self.node.run(node_ready), name="node")
            await node_ready.wait()
            source.adopt()
            await self._ensure_cluster()
            scheduler = Scheduler(self.api, facts.name, self.events)
            for name, service in {
                "pods": source.follow(),
                "pod status": self._writer.run(),
                "events": self.events.run(),
                "references": self._follow_references(),
                "certificates": self._certificates.run(self.node),
                "scheduler": scheduler.run(),
                "namespaces": namespaces.run(self.api),
                "service accounts": serviceaccounts.run(self.api, lambda: self.authority.ca_pem),
                "garbage collector": GarbageCollector(self.api).run(),
                "orphaned pods": orphanedpods.run(self.api),
                "event expiry": eventexpiry.run(self.api),
                "heartbeat": nodeobject.run(self.api, facts, self._port),
            }.items():
                tasks.create_task(service, name=name)
            ready.set()

    async def _ensure_cluster(self) -> None:
        """What clients may rely on from their first request on."""
        await namespaces.ensure_initial(self.api)
        await serviceaccounts.ensure(self.api, "default", self.authority.ca_pem)
        await kubernetesservice.ensure(self.api, self._port)
        await nodeobject.register(self.api, self.drivers.node, self._port)

    async def _follow_references(self) -> None:
        """Tell the pods of a namespace when a ConfigMap or Secret in it has changed."""
        changed = asyncio.Event()

        async def follow(storage: str) -> None:
            async for seen in self.api.follow(storage):
                namespace = seen.key.namespace
                if any(worker.plan.namespace == namespace for worker in self.node.workers.values()):
                    changed.set()

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(follow("configmaps"))
            tasks.create_task(follow("secrets"))
            while True:
                await changed.wait()
                # Also the first time, when all of them are seen anew: whoever waits for the API goes before.
                await asyncio.sleep(REFERENCES_PAUSE)
                changed.clear()
                self.node.references_changed()


def _admission(store: Store) -> admission.AdmissionChain:
    """In Kubernetes' order (pkg/kubeapiserver/options/plugins.go); ours is where webhooks would be."""
    return admission.AdmissionChain(
        (
            admission.NamespaceLifecycle(store),
            admission.ServiceAccount(store),
            admission.Priority(),
            admission.DefaultTolerationSeconds(),
            admission.RuntimeClass(store),
            admission.Identity(),
            admission.ClusterIps(store),
        )
    )


def _later(loop: asyncio.AbstractEventLoop, source: PodSource, uid: str) -> None:
    loop.call_soon(source.finished, uid)
