"""Pod → PodPlan: what the lifecycle rules need to know, and nothing that depends on the moment."""

import hashlib
from collections.abc import Sequence

import msgspec

from pillion.objects.models import core_v1
from pillion.plan.expansion import expand_all, static_environment
from pillion.plan.podplan import (
    ContainerPlan,
    ExecHandler,
    GrpcHandler,
    Handler,
    HttpGetHandler,
    PodPlan,
    ProbePlan,
    RestartPolicy,
    RestartRule,
    Role,
    SleepHandler,
    TcpSocketHandler,
)
from pillion.plan.pods import AnyContainer, PodIdentity, containers_of, identity_of, spec_of


def build_plan(pod: core_v1.Pod) -> PodPlan:
    """The plan of a defaulted, validated Pod. The same Pod gives the same plan in every process."""
    spec = spec_of(pod)
    identity = identity_of(pod)
    plans = [_plan_container(identity, role, container) for role, container in containers_of(pod)]
    grace_seconds = spec.terminationGracePeriodSeconds
    return PodPlan(
        uid=identity.uid,
        namespace=identity.namespace,
        name=identity.name,
        inits=tuple(plan for plan in plans if plan.role in {Role.INIT, Role.SIDECAR}),
        mains=tuple(plan for plan in plans if plan.role is Role.MAIN),
        ephemerals=tuple(plan for plan in plans if plan.role is Role.EPHEMERAL),
        restart_policy=RestartPolicy(spec.restartPolicy or RestartPolicy.ALWAYS),
        # A negative value is admitted and then treated as 1 (pkg/api/pod/warnings.go).
        grace_seconds=30 if grace_seconds is None else 1 if grace_seconds < 0 else grace_seconds,
        active_deadline=spec.activeDeadlineSeconds,
        host_network=bool(spec.hostNetwork),
        readiness_gates=tuple(gate.conditionType for gate in spec.readinessGates or ()),
    )


def _plan_container(pod: PodIdentity, role: Role, container: AnyContainer) -> ContainerPlan:
    image = container.image or ""
    lifecycle = container.lifecycle or core_v1.Lifecycle()
    return ContainerPlan(
        name=container.name,
        role=role,
        image=image,
        hash=_digest(container.name, image),
        backoff_key=_digest(*pod, container.name, image, _resources_text(container.resources)),
        restart_policy=RestartPolicy(container.restartPolicy) if container.restartPolicy else None,
        restart_rules=_plan_rules(container.restartPolicyRules or ()),
        startup=_plan_probe(container, container.startupProbe),
        liveness=_plan_probe(container, container.livenessProbe),
        readiness=_plan_probe(container, container.readinessProbe),
        post_start=_plan_hook(container, lifecycle.postStart),
        pre_stop=_plan_hook(container, lifecycle.preStop),
    )


def _digest(*parts: str) -> str:
    """A name for these strings, the same in every process: a restarted daemon must recognise it."""
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:16]


def _resources_text(resources: core_v1.ResourceRequirements | None) -> str:
    return "" if resources is None else msgspec.json.encode(resources, order="sorted").decode()


def _plan_rules(rules: Sequence[core_v1.ContainerRestartRule]) -> tuple[RestartRule, ...]:
    return tuple(
        RestartRule(
            action=rule.action, operator=rule.exitCodes.operator, values=tuple(rule.exitCodes.values or ())
        )
        for rule in rules
        if rule.exitCodes is not None
    )


def _plan_probe(container: AnyContainer, probe: core_v1.Probe | None) -> ProbePlan | None:
    """The probe with Kubernetes' defaults; zero counts as absent, except for the initial delay.

    pkg/apis/core/v1/defaults.go: SetDefaults_Probe. The command of an exec probe is expanded with the literal
    values of the spec only (pkg/kubelet/prober/prober.go: runProbe).
    """
    if probe is None:
        return None
    handler: Handler | None
    if probe.grpc is not None:
        handler = GrpcHandler(port=probe.grpc.port, service=probe.grpc.service or "")
    elif probe.exec is not None:
        env = static_environment(container.env or ())
        handler = ExecHandler(expand_all(probe.exec.command or (), env))
    else:
        handler = _network_handler(container, probe.httpGet, probe.tcpSocket)
    if handler is None:
        return None
    return ProbePlan(
        handler=handler,
        initial_delay=probe.initialDelaySeconds or 0,
        period=probe.periodSeconds or 10,
        timeout=probe.timeoutSeconds or 1,
        success_threshold=probe.successThreshold or 1,
        failure_threshold=probe.failureThreshold or 3,
        grace_seconds=probe.terminationGracePeriodSeconds,
    )


def _plan_hook(container: AnyContainer, hook: core_v1.LifecycleHandler | None) -> Handler | None:
    """A hook's command is never expanded (pkg/kubelet/lifecycle/handlers.go: Run)."""
    if hook is None:
        return None
    if hook.exec is not None:
        return ExecHandler(tuple(hook.exec.command or ()))
    if hook.sleep is not None:
        return SleepHandler(hook.sleep.seconds)
    return _network_handler(container, hook.httpGet, hook.tcpSocket)


def _network_handler(
    container: AnyContainer, http: core_v1.HTTPGetAction | None, tcp: core_v1.TCPSocketAction | None
) -> Handler | None:
    if http is not None:
        return HttpGetHandler(
            port=_resolve_port(container, http.port),
            path=http.path or "/",
            scheme=(http.scheme or "HTTP").upper(),
            host=http.host or None,
            headers=tuple((header.name, header.value) for header in http.httpHeaders or ()),
        )
    if tcp is not None:
        return TcpSocketHandler(port=_resolve_port(container, tcp.port), host=tcp.host or None)
    return None


def _resolve_port(container: AnyContainer, port: int | str) -> int | str:
    """The number behind a port's name (pkg/probe/util.go: ResolveContainerPort).

    A name that no port of the container has stays a name: using it is the prober's error to report.
    """
    if isinstance(port, int):
        return port
    for declared in container.ports or ():
        if declared.name == port:
            return declared.containerPort
    return int(port) if port.isascii() and port.isdigit() else port
