"""Putting a node together: the one place where all drivers meet."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from pillion.clock import Clock
from pillion.containers import OciRuntime, check_host
from pillion.containers.devices import loaded_apparmor_profiles
from pillion.containers.images import ImageSources, ImageStore
from pillion.daemon.identitysettings import IdentitySettings
from pillion.daemon.podcertificates import PodCertificates
from pillion.daemon.serving import DEFAULT_STATE_DIR, open_state_dir
from pillion.daemon.workloadsigner import WorkloadSigner
from pillion.network import BridgeNetwork, ServiceNetwork
from pillion.node import Drivers
from pillion.objects.models import core_v1
from pillion.plan.facts import Allocatable, NodeFacts
from pillion.plan.references import Configs
from pillion.volumes import NO_CREDENTIALS, Credentials, Volumes

__all__ = ["DEFAULT_STATE_DIR", "Config", "build_certificates", "build_drivers", "node_facts"]


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """What a node is made from."""

    state_dir: str = DEFAULT_STATE_DIR
    images: ImageSources = ImageSources()
    identities: IdentitySettings = IdentitySettings()


def build_drivers(
    config: Config,
    clock: Clock,
    configs: Configs,
    *,
    services: Callable[[], Iterable[core_v1.Service]] = tuple,
    credentials: Credentials = NO_CREDENTIALS,
    service_network: ServiceNetwork | None = None,
) -> Drivers:
    """The real drivers of this machine. Raises HostError with everything that is missing, at once."""
    host = check_host()
    state = open_state_dir(config.state_dir)
    network = BridgeNetwork(state, service_network)
    return Drivers(
        state=state,
        clock=clock,
        runtime=OciRuntime(state, clock, host),
        network=network,
        volumes=Volumes(state, clock, credentials),
        images=ImageStore(state, config.images),
        configs=configs,
        services=services,
        node=node_facts(network.node_ip()),
        host_warnings=host.warnings,
    )


def build_certificates(
    config: Config,
    clock: Clock,
    *,
    has_account: Callable[[str, str], bool] = lambda _namespace, _name: True,
    services: Callable[[], Iterable[core_v1.Service]] = tuple,
) -> PodCertificates:
    """Who gives pods their identities. Touches nothing until a pod wants one."""
    folder = Path(open_state_dir(config.state_dir).workload_authority)
    signer = WorkloadSigner(folder, config.identities)
    return PodCertificates(signer, clock, has_account=has_account, services=services)


def node_facts(node_ip: str) -> NodeFacts:
    """This machine as a node: everything it has can be given to pods."""
    hostname = socket.gethostname()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    disk = os.statvfs("/")
    return NodeFacts(
        name=hostname.lower(),
        hostname=hostname,
        host_ips=(node_ip,),
        memory_bytes=memory,
        allocatable=Allocatable(
            cpu_millis=(os.cpu_count() or 1) * 1000,
            memory_bytes=memory,
            ephemeral_storage_bytes=disk.f_frsize * disk.f_blocks,
        ),
        enforces_apparmor=loaded_apparmor_profiles() is not None,
        resolv_conf=_text("/etc/resolv.conf"),
        hosts=_text("/etc/hosts"),
    )


def _text(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""
