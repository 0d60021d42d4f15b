"""What a node without the means for it does not let a pod do, told before anything of the pod is made.

A kubelet's admission handlers reject a pod for good: `rejection`. What a scheduler would wait for, and what a sandbox
is refused for, may change while the pod waits: `admit`, asked before each sandbox. The words are theirs. What a volume
or a container asks for is refused where that is made: by `volumes`, and by the container runtime.
"""

from collections.abc import Iterator

import msgspec

from pillion.objects.models import core_v1
from pillion.objects.qos import pod_requests
from pillion.plan.facts import NodeFacts
from pillion.plan.pods import containers_of, metadata_of, spec_of
from pillion.plan.references import ConfigError
from pillion.plan.security import resolve_security

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


class Rejection(msgspec.Struct, frozen=True, kw_only=True):
    """The node does not take the pod in: it is Failed, and nothing of it is ever made."""

    reason: str
    message: str


def rejection(pod: core_v1.Pod, node: NodeFacts) -> Rejection | None:
    """What the first of the kubelet's admission handlers says that has something against the pod."""
    return next(_rejections(pod, node), None)


def _rejections(pod: core_v1.Pod, node: NodeFacts) -> Iterator[Rejection]:
    """In the order of the kubelet's handlers (pkg/kubelet/kubelet.go: NewMainKubelet)."""
    spec = spec_of(pod)
    for sysctl in (spec.securityContext or core_v1.PodSecurityContext()).sysctls or ():
        name = sysctl.name.replace("/", ".")
        if name not in SAFE_SYSCTLS:  # pkg/kubelet/sysctl/allowlist.go
            yield Rejection(reason="SysctlForbidden", message=f'forbidden sysctl: "{name}" not allowlisted')
    # pkg/kubelet/lifecycle/predicate.go
    if (metadata_of(pod).labels or {}).get("kubernetes.io/os", "linux") != "linux":
        yield Rejection(
            reason="PodOSSelectorNodeLabelDoesNotMatch",
            message="Failed to admit pod as the `kubernetes.io/os` label doesn't match node label",
        )
    if spec.os is not None and spec.os.name != "linux":
        yield Rejection(
            reason="PodOSNotSupported",
            message="Failed to admit pod as the OS field doesn't match node OS",
        )
    if not node.enforces_apparmor and _wants_apparmor(pod):  # pkg/security/apparmor/validate.go
        yield Rejection(
            reason="AppArmor", message="Cannot enforce AppArmor: AppArmor is not enabled on the host"
        )


def _wants_apparmor(pod: core_v1.Pod) -> bool:
    profiles = (resolve_security(pod, container).apparmor for _, container in containers_of(pod))
    return any(profile not in {None, "unconfined"} for profile in profiles)


def admit(pod: core_v1.Pod) -> None:
    """Raises ConfigError with the first thing that cannot be had here for now."""
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
    if spec.runtimeClassName:
        yield f'runtimeclass.node.k8s.io "{spec.runtimeClassName}" not found'
    if spec.hostUsers is False:
        yield "can't set `spec.hostUsers: false`, runtime does not support user namespaces"


def _claims_devices(pod: core_v1.Pod) -> bool:
    return any(container.resources and container.resources.claims for _, container in containers_of(pod))
