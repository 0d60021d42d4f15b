"""Rules for containers of every kind (core/validation: validateContainers, validateInitContainers and
validateEphemeralContainers, over validateContainerCommon).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import msgspec

from pillion.objects.fielderrors import (
    FieldError,
    Path,
    duplicate,
    forbidden,
    invalid,
    not_found,
    required,
    too_many,
)
from pillion.objects.fielderrors import not_supported as unsupported
from pillion.objects.models import core_v1
from pillion.objects.validation import names
from pillion.objects.validation.env import validate_env, validate_env_from
from pillion.objects.validation.handlers import (
    validate_lifecycle,
    validate_liveness_probe,
    validate_readiness_probe,
)
from pillion.objects.validation.mounts import validate_devices, validate_mounts
from pillion.objects.validation.resources import validate_container_resources
from pillion.objects.validation.security import validate_security_context
from pillion.objects.validation.volumes import validate_pull_policy

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

AnyContainer: TypeAlias = core_v1.Container | core_v1.EphemeralContainer

MAX_RESTART_RULES = 20
MAX_EXIT_CODES = 255
_MESSAGE_POLICIES = ("File", "FallbackToLogsOnError")
_PROTOCOLS = ("SCTP", "TCP", "UDP")
_RESTART_POLICIES = ("Always", "Never", "OnFailure")
_RESTART_ACTIONS = ("Restart", "RestartAllContainers")
_RESIZE_POLICIES = ("NotRequired", "RestartContainer")
_SIDECARS_ONLY = ("lifecycle", "livenessProbe", "readinessProbe", "startupProbe")
# In the order of Go's EphemeralContainerCommon.
_NOT_FOR_EPHEMERAL = (
    *("ports", "resources", "resizePolicy", "restartPolicy", "restartPolicyRules"),
    *("livenessProbe", "readinessProbe", "startupProbe", "lifecycle"),
)


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What the rest of the pod's spec means to its containers."""

    volumes: Mapping[str, core_v1.Volume]
    claim_names: tuple[str, ...]
    grace_seconds: int | None
    restart_policy: str | None
    host_users: bool


def validate_main_containers(
    containers: Sequence[core_v1.Container], around: Surroundings, path: Path
) -> list[FieldError]:
    if not containers:
        return [required(path)]
    errors: list[FieldError] = []
    taken: set[str] = set()
    for i, container in enumerate(containers):
        here = path.index(i)
        errors += _validate_common(container, around, here)
        if container.name in taken:
            errors.append(duplicate(here.child("name"), container.name))
        taken.add(container.name)
        errors += _validate_running(container, around, here)
        errors += _validate_restart_policy(container, here)
    return errors + _validate_host_ports(containers, path)


def validate_init_containers(
    containers: Sequence[core_v1.Container],
    mains: Sequence[core_v1.Container],
    around: Surroundings,
    path: Path,
) -> list[FieldError]:
    errors: list[FieldError] = []
    taken = {main.name for main in mains}
    for i, container in enumerate(containers):
        here = path.index(i)
        errors += _validate_common(container, around, here)
        errors += _validate_restart_policy(container, here)
        if container.name in taken:
            errors.append(duplicate(here.child("name"), container.name))
        elif container.name:
            taken.add(container.name)
        # One by one: plain init containers never run together. The path has index 0, as upstream.
        errors += _validate_host_ports([container], path)
        if container.restartPolicy == "Always":
            errors += _validate_running(container, around, here)
            continue
        for field in _SIDECARS_ONLY:
            if getattr(container, field) is not None:
                detail = "may not be set for init containers without restartPolicy=Always"
                errors.append(forbidden(here.child(field), detail))
        for j, resize in enumerate(container.resizePolicy or ()):
            if resize.restartPolicy == "RestartContainer":
                where = here.child("resizePolicy").index(j).child("restartPolicy")
                detail = "must not be set to 'RestartContainer' for non-sidecar initContainers"
                errors.append(invalid(where, resize.restartPolicy, detail))
    return errors


def validate_ephemeral_containers(
    containers: Sequence[core_v1.EphemeralContainer],
    others: Sequence[core_v1.Container],
    around: Surroundings,
    path: Path,
) -> list[FieldError]:
    """`others` are the pod's main and init containers."""
    detail = "cannot be set for an Ephemeral Container"
    errors: list[FieldError] = []
    targets = {other.name for other in others}
    taken = set(targets)
    for i, container in enumerate(containers):
        here = path.index(i)
        errors += _validate_common(container, around, here)
        errors += validate_image_blanks(container, here)
        if container.name in taken:
            errors.append(duplicate(here.child("name"), container.name))
        taken.add(container.name)
        if container.targetContainerName and container.targetContainerName not in targets:
            errors.append(not_found(here.child("targetContainerName"), container.targetContainerName))
        errors += [
            forbidden(here.child(field), detail)
            for field in _NOT_FOR_EPHEMERAL
            if getattr(container, field) not in (None, [], core_v1.ResourceRequirements())
        ]
        for j, mount in enumerate(container.volumeMounts or ()):
            errors += [
                forbidden(here.child("volumeMounts").index(j).child(field), detail)
                for field in ("subPath", "subPathExpr")
                if getattr(mount, field)
            ]
    return errors


def validate_image_blanks(container: AnyContainer, path: Path) -> list[FieldError]:
    """Pods only: templates may have blanks around an image."""
    image = container.image or ""
    if image == image.strip():
        return []
    return [invalid(path.child("image"), image, "must not have leading or trailing whitespace")]


def _validate_running(container: core_v1.Container, around: Surroundings, path: Path) -> list[FieldError]:
    """Hooks and probes: mains and sidecars have them."""
    return [
        *validate_lifecycle(container.lifecycle, around.grace_seconds, path.child("lifecycle")),
        *validate_liveness_probe(container.livenessProbe, path.child("livenessProbe")),
        *validate_readiness_probe(container.readinessProbe, path.child("readinessProbe")),
        *validate_liveness_probe(container.startupProbe, path.child("startupProbe")),
    ]


def _validate_common(container: AnyContainer, around: Surroundings, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    if container.name:
        errors += names.check(path.child("name"), container.name, names.dns_label)
    else:
        errors.append(required(path.child("name")))
    if not container.image:
        errors.append(required(path.child("image")))
    policy = container.terminationMessagePolicy
    if not policy:
        errors.append(required(path.child("terminationMessagePolicy")))
    elif policy not in _MESSAGE_POLICIES:
        errors.append(unsupported(path.child("terminationMessagePolicy"), policy, _MESSAGE_POLICIES))
    mounts, devices = container.volumeMounts or (), container.volumeDevices or ()
    return [
        *errors,
        *_validate_ports(container.ports or (), path.child("ports")),
        *validate_env(container.env or (), around.volumes, path.child("env")),
        *validate_env_from(container.envFrom or (), path.child("envFrom")),
        *validate_mounts(
            mounts, devices, around.volumes, container.securityContext, path.child("volumeMounts")
        ),
        *validate_devices(devices, mounts, around.volumes, path.child("volumeDevices")),
        *validate_pull_policy(container.imagePullPolicy, path.child("imagePullPolicy")),
        *validate_container_resources(container.resources, around.claim_names, path.child("resources")),
        *_validate_resize_policy(
            container.resizePolicy or (), around.restart_policy, path.child("resizePolicy")
        ),
        *validate_security_context(
            container.securityContext, path.child("securityContext"), host_users=around.host_users
        ),
    ]


def _validate_ports(ports: Sequence[core_v1.ContainerPort], path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    taken: set[str] = set()
    for i, port in enumerate(ports):
        here = path.index(i)
        if port.name:
            wrong = names.check(here.child("name"), port.name, names.port_name)
            if not wrong and port.name in taken:
                wrong = [duplicate(here.child("name"), port.name)]
            errors += wrong
            taken.add(port.name)
        if not port.containerPort:
            errors.append(required(here.child("containerPort")))
        for field in ("containerPort", "hostPort"):
            number = getattr(port, field) or 0
            if number:
                errors += [
                    invalid(here.child(field), number, wrong_port) for wrong_port in names.port_number(number)
                ]
        if not port.protocol:
            errors.append(required(here.child("protocol")))
        elif port.protocol not in _PROTOCOLS:
            errors.append(unsupported(here.child("protocol"), port.protocol, _PROTOCOLS))
    return errors


def _validate_host_ports(containers: Sequence[core_v1.Container], path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    taken: set[str] = set()
    for i, container in enumerate(containers):
        for j, port in enumerate(container.ports or ()):
            key = f"{port.protocol or ''}/{port.hostIP or ''}/{port.hostPort}"
            if port.hostPort and key in taken:
                errors.append(duplicate(path.index(i).child("ports").index(j).child("hostPort"), key))
            if port.hostPort:
                taken.add(key)
    return errors


def _validate_restart_policy(container: core_v1.Container, path: Path) -> list[FieldError]:
    """The container's own policy and rules (validateContainerRestartPolicy, 1.34 and later)."""
    errors: list[FieldError] = []
    policy, rules = container.restartPolicy, container.restartPolicyRules or ()
    if policy is None and rules:
        detail = "must specify restartPolicy when restart rules are used"
        errors.append(required(path.child("restartPolicy"), detail))
    elif policy is not None and policy not in _RESTART_POLICIES:
        errors.append(unsupported(path.child("restartPolicy"), policy, _RESTART_POLICIES))
    rules_path = path.child("restartPolicyRules")
    if len(rules) > MAX_RESTART_RULES:
        errors.append(too_many(rules_path, len(rules), MAX_RESTART_RULES))
    for i, rule in enumerate(rules):
        errors += _validate_restart_rule(rule, rules_path.index(i))
    return errors


def _validate_restart_rule(rule: core_v1.ContainerRestartRule, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    if rule.action not in _RESTART_ACTIONS:
        errors.append(unsupported(path.child("action"), rule.action, _RESTART_ACTIONS))
    codes_path = path.child("exitCodes")
    if rule.exitCodes is None:
        return [*errors, required(codes_path, "must be specified")]
    if rule.exitCodes.operator not in ("In", "NotIn"):
        errors.append(unsupported(codes_path.child("operator"), rule.exitCodes.operator, ("In", "NotIn")))
    count = len(rule.exitCodes.values or ())
    if count > MAX_EXIT_CODES:
        errors.append(too_many(codes_path.child("values"), count, MAX_EXIT_CODES))
    return errors


def _validate_resize_policy(
    policies: Sequence[core_v1.ContainerResizePolicy], pod_restart_policy: str | None, path: Path
) -> list[FieldError]:
    errors: list[FieldError] = []
    seen: set[str] = set()
    for i, policy in enumerate(policies):
        if policy.resourceName in seen:
            errors.append(duplicate(path.index(i), policy.resourceName))
        seen.add(policy.resourceName)
        for value, supported in (
            (policy.resourceName, ("cpu", "memory")),
            (policy.restartPolicy, _RESIZE_POLICIES),
        ):
            if not value:
                errors.append(required(path))
            elif value not in supported:
                errors.append(unsupported(path, value, supported))
        if pod_restart_policy == "Never" and policy.restartPolicy != "NotRequired":
            detail = "must be 'NotRequired' when `restartPolicy` is 'Never'"
            errors.append(invalid(path, policy.restartPolicy, detail))
    return errors
