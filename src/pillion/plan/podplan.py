"""The plan of a pod: what the kubelet's rules need to know of it, resolved and immutable.

A plan is derived from a defaulted, validated Pod by `build_plan`; it holds no Kubernetes wire names. What depends on
the moment (environment, addresses, mounts) is resolved container by container just before its start: `containerspec`.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cached_property

import msgspec


class RestartPolicy(StrEnum):
    ALWAYS = "Always"
    ON_FAILURE = "OnFailure"
    NEVER = "Never"


class Role(StrEnum):
    """What a container is to its pod. A sidecar is an init container with `restartPolicy: Always`."""

    INIT = "init"
    SIDECAR = "sidecar"
    MAIN = "main"
    EPHEMERAL = "ephemeral"


class ExecHandler(msgspec.Struct, frozen=True, tag="exec"):
    command: tuple[str, ...]


class HttpGetHandler(msgspec.Struct, frozen=True, kw_only=True, tag="httpGet"):
    port: int | str
    """A number. A name only if no port of the container has it: an error when the handler is used."""
    path: str = "/"
    scheme: str = "HTTP"
    host: str | None = None
    """None: the pod's own address."""
    headers: tuple[tuple[str, str], ...] = ()


class TcpSocketHandler(msgspec.Struct, frozen=True, kw_only=True, tag="tcpSocket"):
    port: int | str
    host: str | None = None


class GrpcHandler(msgspec.Struct, frozen=True, kw_only=True, tag="grpc"):
    port: int
    service: str = ""


class SleepHandler(msgspec.Struct, frozen=True, tag="sleep"):
    seconds: int


Handler = ExecHandler | HttpGetHandler | TcpSocketHandler | GrpcHandler | SleepHandler


class ProbePlan(msgspec.Struct, frozen=True, kw_only=True):
    """One probe, Kubernetes' defaults filled in. Times in whole seconds."""

    handler: Handler
    initial_delay: int = 0
    period: int = 10
    timeout: int = 1
    success_threshold: int = 1
    failure_threshold: int = 3
    grace_seconds: int | None = None
    """terminationGracePeriodSeconds of the probe: replaces the pod's for a kill by this probe."""


class RestartRule(msgspec.Struct, frozen=True, kw_only=True):
    """One of `restartPolicyRules`: the first that matches an exit code decides."""

    action: str  # "Restart" or "RestartAllContainers"
    operator: str  # "In" or "NotIn"
    values: tuple[int, ...]


class ContainerPlan(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    role: Role
    image: str
    hash: str
    """Of name and image only: a change means `definition changed` (helpers.go: HashContainer)."""
    backoff_key: str = ""
    """Changes with image or resources; a new key starts a new crash-loop backoff (helpers.go: GetBackoffKey)."""
    restart_policy: RestartPolicy | None = None
    """The container's own; None means the pod's. A sidecar's is ALWAYS."""
    restart_rules: tuple[RestartRule, ...] = ()
    startup: ProbePlan | None = None
    liveness: ProbePlan | None = None
    readiness: ProbePlan | None = None
    post_start: Handler | None = None
    pre_stop: Handler | None = None


class PodPlan(msgspec.Struct, frozen=True, kw_only=True, dict=True):  # dict: for the cached properties
    uid: str
    namespace: str
    name: str
    inits: tuple[ContainerPlan, ...] = ()
    """Plain init containers and sidecars, in the order of the spec."""
    mains: tuple[ContainerPlan, ...]
    ephemerals: tuple[ContainerPlan, ...] = ()
    restart_policy: RestartPolicy = RestartPolicy.ALWAYS
    grace_seconds: int = 30
    active_deadline: int | None = None
    host_network: bool = False
    readiness_gates: tuple[str, ...] = ()

    @cached_property
    def has_sidecars(self) -> bool:
        return any(c.role is Role.SIDECAR for c in self.inits)

    @cached_property
    def containers(self) -> tuple[ContainerPlan, ...]:
        return self.inits + self.mains + self.ephemerals

    @cached_property
    def by_name(self) -> dict[str, ContainerPlan]:
        return {c.name: c for c in self.containers}
