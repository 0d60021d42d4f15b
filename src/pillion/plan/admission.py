"""What a node without the means for it does not let a pod do, told before anything of the pod is made.

A cluster says no at several places: the scheduler, the kubelet's admission handlers (pkg/kubelet/lifecycle), the pod's
sandbox. Here all of them are this one question, and the words are theirs. What a volume or a container asks for is
refused where that is made: by `volumes`, and by the container runtime.
"""

from collections.abc import Iterator

from pillion.objects.models import core_v1
from pillion.objects.qos import pod_requests
from pillion.plan.pods import containers_of, spec_of
from pillion.plan.references import ConfigError

SAFE_SYSCTLS = frozenset(
    {
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ping_group_range",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_rmem",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.tcp_wmem",
    }
)
"""Those that concern the pod alone (pkg/kubelet/sysctl/safe_sysctls.go). Others would need the kubelet's
--allowed-unsafe-sysctls; some of them would change the whole machine."""


def admit(pod: core_v1.Pod) -> None:
    """Raises ConfigError with the first thing that cannot be had here."""
    refusal = next(_refusals(pod), None)
    if refusal is not None:
        raise ConfigError(refusal)


def _refusals(pod: core_v1.Pod) -> Iterator[str]:
    spec = spec_of(pod)
    if spec.schedulingGates:
        yield "Scheduling is blocked due to non-empty scheduling gates"
    for resource, amount in sorted(pod_requests(pod).items()):
        # Extended resources have a domain in their names; only device plugins provide any.
        if "/" in resource and amount:
            yield f"0/1 nodes are available: 1 Insufficient {resource}."
    if spec.resourceClaims or _claims_devices(pod):
        yield "cannot allocate all claims: this node has no drivers for resource claims"
    if spec.os is not None and spec.os.name != "linux":
        yield "Failed to admit pod as the OS field doesn't match node OS"
    for sysctl in (spec.securityContext or core_v1.PodSecurityContext()).sysctls or ():
        if sysctl.name.replace("/", ".") not in SAFE_SYSCTLS:
            yield f'forbidden sysctl: "{sysctl.name}" not allowlisted'
    if spec.runtimeClassName:
        yield f'runtimeclass.node.k8s.io "{spec.runtimeClassName}" not found'
    if spec.hostUsers is False:
        yield "can't set `spec.hostUsers: false`, runtime does not support user namespaces"


def _claims_devices(pod: core_v1.Pod) -> bool:
    return any(container.resources and container.resources.claims for _, container in containers_of(pod))
