"""Putting a node together: the one place where all drivers meet."""

from __future__ import annotations

import os
import socket
from pathlib import Path, PurePosixPath

import msgspec

from pillion.clock import Clock
from pillion.containers import OciRuntime, check_host
from pillion.containers.images import ImageSources, ImageStore
from pillion.network import BridgeNetwork
from pillion.node import Drivers
from pillion.plan.facts import Allocatable, NodeFacts
from pillion.plan.references import Configs
from pillion.statedir import StateDir
from pillion.volumes import Volumes

DEFAULT_STATE_DIR = "/var/lib/pillion"


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """What a node is made from."""

    state_dir: str = DEFAULT_STATE_DIR
    images: ImageSources = ImageSources()


def build_drivers(config: Config, clock: Clock, configs: Configs) -> Drivers:
    """The real drivers of this machine. Raises HostError with everything that is missing, at once."""
    host = check_host()
    state = StateDir(PurePosixPath(os.path.abspath(config.state_dir)))  # noqa: PTH100 - may not exist yet
    network = BridgeNetwork(state)
    return Drivers(
        state=state,
        clock=clock,
        runtime=OciRuntime(state, clock, host),
        network=network,
        volumes=Volumes(state, clock),
        images=ImageStore(state, config.images),
        configs=configs,
        node=node_facts(network.node_ip()),
        host_warnings=host.warnings,
    )


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
        resolv_conf=_text("/etc/resolv.conf"),
        hosts=_text("/etc/hosts"),
    )


def _text(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""
