"""Containers on this machine: sandboxes, instances, commands in them and their logs, over runc and conmon.

Does not know Kubernetes objects, probes, restarts or order: a ContainerSpec goes in, facts come out.
"""

from pillion.containers.host import HostCapabilities, check_host
from pillion.containers.ociruntime import OciRuntime
from pillion.containers.runtime import (
    CreateError,
    ExecError,
    ExecResult,
    Runtime,
    SandboxHandle,
    StartError,
)

__all__ = [
    "CreateError",
    "ExecError",
    "ExecResult",
    "HostCapabilities",
    "OciRuntime",
    "Runtime",
    "SandboxHandle",
    "StartError",
    "check_host",
]
