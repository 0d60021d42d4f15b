"""A core dump would hold the private keys."""

from __future__ import annotations

import resource
from pathlib import Path

from tests.proxy_traffic import Sidecar, free_port

_LEAST = 4096
"""Bytes of a dump that the kernel writes (include/linux/binfmts.h, min_coredump: a page)."""


def test_neither_envoy_nor_its_supervisor_leaves_one(tmp_path: Path) -> None:
    inbound = {"name": "agent", "port": free_port(), "tls": "none", "routes": [{"to": free_port()}]}
    before = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (before[1], before[1]))
    try:
        with Sidecar(tmp_path, {"inbound": [inbound]}) as sidecar:
            sidecar.until_ready()
            assert sidecar.process is not None
            for pid in (sidecar.process.pid, sidecar.envoy()):
                soft, hard = resource.prlimit(pid, resource.RLIMIT_CORE)
                assert 0 <= soft == hard < _LEAST
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, before)
