"""The kernel's switches for IPv4 that pods need (linux: Documentation/networking/ip-sysctl.rst).

/proc/sys/net shows the network namespace of the thread that reads it.
"""

from __future__ import annotations

from pathlib import Path

_IPV4 = Path("/proc/sys/net/ipv4")


def is_forwarding() -> bool:
    return _IPV4.joinpath("ip_forward").read_text().strip() == "1"


def switch_forwarding_on() -> None:
    """Raises OSError where /proc/sys is read-only."""
    _IPV4.joinpath("ip_forward").write_text("1")


def allow_loopback(bridge: str) -> None:
    """Let connections to the host's 127.0.0.1 be answered from behind the bridge. Raises OSError."""
    _IPV4.joinpath("conf", bridge, "route_localnet").write_text("1")
