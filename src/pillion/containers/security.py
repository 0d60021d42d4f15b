"""What a container may do: capabilities, masked and read-only paths. Kubernetes' and containerd's defaults, as data."""

from __future__ import annotations

from pillion.plan.containerspec import Security

DEFAULT_CAPABILITIES = (
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FSETID",
    "CAP_FOWNER",
    "CAP_MKNOD",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETFCAP",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_SYS_CHROOT",
    "CAP_KILL",
    "CAP_AUDIT_WRITE",
)
"""containerd, pkg/oci/spec.go: defaultUnixCaps."""

CAPABILITIES = (
    *("CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP"),
    *(
        "LINUX_IMMUTABLE",
        "NET_BIND_SERVICE",
        "NET_BROADCAST",
        "NET_ADMIN",
        "NET_RAW",
        "IPC_LOCK",
        "IPC_OWNER",
    ),
    *(
        "SYS_MODULE",
        "SYS_RAWIO",
        "SYS_CHROOT",
        "SYS_PTRACE",
        "SYS_PACCT",
        "SYS_ADMIN",
        "SYS_BOOT",
        "SYS_NICE",
    ),
    *(
        "SYS_RESOURCE",
        "SYS_TIME",
        "SYS_TTY_CONFIG",
        "MKNOD",
        "LEASE",
        "AUDIT_WRITE",
        "AUDIT_CONTROL",
        "SETFCAP",
    ),
    *("MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF"),
    "CHECKPOINT_RESTORE",
)
"""By number, from include/uapi/linux/capability.h."""

MASKED_PATHS = (
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
)
"""pkg/securitycontext/util.go: defaultMaskedPaths; each CPU's thermal_throttle is added from the host."""

READ_ONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
"""pkg/securitycontext/util.go: defaultReadonlyPaths."""


HIDDEN_FOLDERS = ("/var/lib/pillion", "/var/lib/kubelet", "/etc/kubernetes")
"""Where the Secrets and credentials of other pods, and of a node, lie: with the host as its image, a container would
see them. The files of this machine's people it does see: they are what such an image is for."""


def capability_names(mask: int) -> tuple[str, ...]:
    """The capabilities in a bit mask of /proc/PID/status; numbers newer than our list are left out."""
    return tuple(f"CAP_{name}" for number, name in enumerate(CAPABILITIES) if mask >> number & 1)


def capabilities(security: Security, of_host: tuple[str, ...]) -> tuple[str, ...]:
    """The container's capabilities. `of_host` is what pillion itself may hand on: `ALL` and `privileged` mean these.

    Order as in containerd's internal/cri/server/container_create_linux.go: add ALL, drop ALL, add each, drop each.
    """
    if security.privileged:
        return of_host
    granted = [name for name in DEFAULT_CAPABILITIES if name in of_host]
    added = [_canonical(name) for name in security.add_capabilities]
    dropped = [_canonical(name) for name in security.drop_capabilities]
    if "CAP_ALL" in added:
        granted = list(of_host)
    if "CAP_ALL" in dropped:
        granted = []
    granted += [name for name in added if name != "CAP_ALL" and name not in granted]
    return tuple(name for name in granted if name not in dropped)


def _canonical(name: str) -> str:
    upper = name.upper()
    return upper if upper.startswith("CAP_") else f"CAP_{upper}"
