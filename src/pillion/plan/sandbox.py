"""Pod → SandboxSpec: what all containers of the pod share (kuberuntime_sandbox.go: generatePodSandboxConfig)."""

from pillion.objects.models import core_v1
from pillion.objects.qos import compute_qos
from pillion.plan.admission import admit
from pillion.plan.containerspec import HostPort, SandboxSpec
from pillion.plan.facts import NodeFacts
from pillion.plan.hostnames import kernel_hostname
from pillion.plan.podplan import PodPlan, Role
from pillion.plan.pods import containers_of, spec_of
from pillion.plan.resources import pod_resources


def build_sandbox(pod: core_v1.Pod, plan: PodPlan, *, attempt: int, node: NodeFacts) -> SandboxSpec:
    """Raises ConfigError for what this node cannot give a pod, and for a host name the kernel does not take."""
    admit(pod)
    spec = spec_of(pod)
    security = spec.securityContext or core_v1.PodSecurityContext()
    hostname = node.hostname if plan.host_network else kernel_hostname(pod, node.cluster_domain)
    return SandboxSpec(
        pod_uid=plan.uid,
        namespace=plan.namespace,
        pod_name=plan.name,
        attempt=attempt,
        hostname=hostname,
        host_network=plan.host_network,
        host_pid=bool(spec.hostPID),
        host_ipc=bool(spec.hostIPC),
        share_process_namespace=bool(spec.shareProcessNamespace),
        sysctls=tuple((sysctl.name, sysctl.value) for sysctl in security.sysctls or ()),
        resources=pod_resources(pod),
        qos_class=compute_qos(pod),
        ports=() if plan.host_network else host_ports(pod),
    )


def host_ports(pod: core_v1.Pod) -> tuple[HostPort, ...]:
    """`ports[].hostPort` of the containers that last: mains and sidecars."""
    return tuple(
        HostPort(
            host_port=port.hostPort,
            container_port=port.containerPort,
            protocol=port.protocol or "TCP",
            host_ip=port.hostIP or "0.0.0.0",  # noqa: S104 - Kubernetes' default for hostPort
        )
        for role, container in containers_of(pod)
        if role in {Role.MAIN, Role.SIDECAR}
        for port in container.ports or ()
        if port.hostPort
    )
