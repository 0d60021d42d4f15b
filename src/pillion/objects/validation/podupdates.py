"""What may change in a Pod (core/validation: ValidatePodUpdate, ValidatePodEphemeralContainersUpdate,
ValidatePodStatusUpdate).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pillion.objects.fielderrors import FieldError, Path, forbidden, invalid, required
from pillion.objects.models import core_v1, meta_v1
from pillion.objects.validation import names
from pillion.objects.validation.metadata import IMMUTABLE, validate_object_meta_update
from pillion.objects.validation.pods import (
    APPARMOR_PREFIX,
    MAX_DEADLINE_SECONDS,
    MIRROR_POD,
    validate_annotations,
    validate_metadata_and_spec,
)
from pillion.objects.validation.scheduling import validate_tolerations

if TYPE_CHECKING:
    from collections.abc import Sequence

_METADATA, _SPEC, _STATUS = Path("metadata"), Path("spec"), Path("status")
_MUTABLE_FIELDS = (
    "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,"
    "`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)
_NOTHING: tuple[object, ...] = (None, [], {})
_SYSTEM_CONDITIONS = frozenset({"PodScheduled", "Ready", "Initialized"})


def validate_pod_update(new: core_v1.Pod, old: core_v1.Pod) -> list[FieldError]:
    """A change to metadata and spec. Both have their defaults."""
    new_spec, old_spec = _spec(new), _spec(old)
    errors = _validate_meta(new, old)
    errors += validate_metadata_and_spec(new)
    errors += _validate_annotation_update(new, old)
    for field in ("containers", "initContainers"):
        before, after = getattr(old_spec, field) or [], getattr(new_spec, field) or []
        if len(before) != len(after):
            detail = "pod updates may not add or remove containers"
            return [*errors, forbidden(_SPEC.child(field), detail)]
        errors += _validate_images(after, _SPEC.child(field))
    deadline_errors = _validate_deadline(new_spec.activeDeadlineSeconds, old_spec.activeDeadlineSeconds)
    errors += deadline_errors
    if deadline_errors and new_spec.activeDeadlineSeconds is not None:
        return errors
    errors += _validate_added_tolerations(new_spec.tolerations or [], old_spec.tolerations or [])
    errors += _validate_removed_gates(new_spec, old_spec)
    munged = _with_mutable_fields_of(old_spec, new_spec)
    if old_spec.schedulingGates:
        errors += _validate_gated(munged, old_spec)
    changes = _changes(old_spec, munged)
    if changes:
        detail = f"pod updates may not change fields other than {_MUTABLE_FIELDS}\n{changes}"
        errors.append(forbidden(_SPEC, detail))
    return errors


def validate_ephemeral_containers_update(new: core_v1.Pod, old: core_v1.Pod) -> list[FieldError]:
    """The ephemeralcontainers subresource: they may be added, never changed or removed."""
    annotations = (old.metadata.annotations if old.metadata else None) or {}
    if MIRROR_POD in annotations:
        return [forbidden(Path(), "static pods do not support ephemeral containers")]
    errors = _validate_meta(new, old)
    errors += validate_metadata_and_spec(new)
    errors += _validate_annotation_update(new, old)
    path = _SPEC.child("ephemeralContainers")
    after = {container.name: container for container in _spec(new).ephemeralContainers or ()}
    for container in _spec(old).ephemeralContainers or ():
        kept = after.get(container.name)
        subject = f'existing ephemeral containers "{container.name}"'
        if kept is None:
            errors.append(forbidden(path, f"{subject} may not be removed\n"))
        elif changes := _changes(container, kept):
            errors.append(forbidden(path, f"{subject} may not be changed\n{changes}"))
    return errors


def validate_pod_status_update(new: core_v1.Pod, old: core_v1.Pod) -> list[FieldError]:
    """A change to status; a changed spec is ignored, but for the node."""
    old_spec = _spec(old)
    after, before = new.status or core_v1.PodStatus(), old.status or core_v1.PodStatus()
    errors = _validate_meta(new, old) + _validate_annotation_update(new, old)
    errors += _validate_conditions(after.conditions or ())
    if _spec(new).nodeName != old_spec.nodeName:
        errors.append(forbidden(_STATUS.child("nodeName"), "may not be changed directly"))
    if after.nominatedNodeName and after.nominatedNodeName != before.nominatedNodeName:
        where = _STATUS.child("nominatedNodeName")
        errors += names.check(where, after.nominatedNodeName, names.dns_subdomain)
    if after.qosClass != before.qosClass:
        errors.append(invalid(_STATUS.child("qosClass"), after.qosClass or "", IMMUTABLE))
    errors += _validate_transitions("containerStatuses", after, before, old_spec)
    errors += _validate_transitions("initContainerStatuses", after, before, old_spec)
    errors += _validate_transitions("ephemeralContainerStatuses", after, before, old_spec)
    for i, pod_ip in enumerate(after.podIPs or ()):
        errors += names.check(_STATUS.child("podIPs").index(i), pod_ip.ip, names.ip_address)
    return errors


def _spec(pod: core_v1.Pod) -> core_v1.PodSpec:
    return pod.spec or core_v1.PodSpec(containers=[])


def _validate_meta(new: core_v1.Pod, old: core_v1.Pod) -> list[FieldError]:
    nothing = meta_v1.ObjectMeta()
    return validate_object_meta_update(new.metadata or nothing, old.metadata or nothing, _METADATA)


def _validate_annotation_update(new: core_v1.Pod, old: core_v1.Pod) -> list[FieldError]:
    path = _METADATA.child("annotations")
    after = (new.metadata.annotations if new.metadata else None) or {}
    before = (old.metadata.annotations if old.metadata else None) or {}
    errors: list[FieldError] = []
    for key in sorted({*before, *after}):
        if key in before and key in after and before[key] == after[key]:
            continue
        verb = "remove or update" if key in before else "add"
        if key.startswith(APPARMOR_PREFIX):
            errors.append(forbidden(path.key(key), f"may not {verb} AppArmor annotations"))
        if key == MIRROR_POD:
            errors.append(forbidden(path.key(key), f"may not {verb} mirror pod annotation"))
    return errors + validate_annotations(after, _spec(new), path)


def _validate_images(containers: Sequence[core_v1.Container], path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    for i, container in enumerate(containers):
        image, where = container.image or "", path.index(i).child("image")
        if not image:
            errors.append(required(where))
        if image != image.strip():
            errors.append(invalid(where, image, "must not have leading or trailing whitespace"))
    return errors


def _validate_deadline(new: int | None, old: int | None) -> list[FieldError]:
    """It may be set, and it may shrink."""
    path = _SPEC.child("activeDeadlineSeconds")
    if new is None:
        if old is None:
            return []
        # Go prints a nil pointer as the string "null".
        return [invalid(path, "null", "must not update from a positive integer to nil value")]
    errors = [invalid(path, new, sentence) for sentence in names.in_range(new, 0, MAX_DEADLINE_SECONDS)]
    if not errors and old is not None and old < new:
        errors.append(invalid(path, new, "must be less than or equal to previous value"))
    return errors


def _validate_added_tolerations(
    new: Sequence[core_v1.Toleration], old: Sequence[core_v1.Toleration]
) -> list[FieldError]:
    path = _SPEC.child("tolerations")
    kept = [msgspec.structs.replace(toleration, tolerationSeconds=None) for toleration in new]
    for toleration in old:
        if msgspec.structs.replace(toleration, tolerationSeconds=None) not in kept:
            detail = "existing toleration can not be modified except its tolerationSeconds"
            return [forbidden(path, detail)]
    return validate_tolerations(new, path)


def _validate_removed_gates(new: core_v1.PodSpec, old: core_v1.PodSpec) -> list[FieldError]:
    before = {gate.name for gate in old.schedulingGates or ()}
    return [
        forbidden(
            _SPEC.child("schedulingGates").index(i).child("name"),
            f"only deletion is allowed, but found new scheduling gate '{gate.name}'",
        )
        for i, gate in enumerate(new.schedulingGates or ())
        if gate.name not in before
    ]


def _with_mutable_fields_of(old: core_v1.PodSpec, new: core_v1.PodSpec) -> core_v1.PodSpec:
    """The new spec with the old values wherever a change is allowed: what differs still is forbidden."""
    grace = new.terminationGracePeriodSeconds
    if grace == 1 and (old.terminationGracePeriodSeconds or 0) < 0:
        grace = old.terminationGracePeriodSeconds
    return msgspec.structs.replace(
        new,
        containers=_with_images_of(old.containers, new.containers),
        initContainers=_with_images_of(old.initContainers or [], new.initContainers or [])
        or old.initContainers,
        activeDeadlineSeconds=old.activeDeadlineSeconds,
        tolerations=old.tolerations,
        schedulingGates=old.schedulingGates,
        terminationGracePeriodSeconds=grace,
    )


def _with_images_of(
    old: Sequence[core_v1.Container], new: Sequence[core_v1.Container]
) -> list[core_v1.Container]:
    return [
        msgspec.structs.replace(after, image=before.image) for before, after in zip(old, new, strict=True)
    ]


def _validate_gated(munged: core_v1.PodSpec, old: core_v1.PodSpec) -> list[FieldError]:
    """While a pod is gated its nodeSelector may be narrowed."""
    before, after = old.nodeSelector or {}, munged.nodeSelector or {}
    munged.nodeSelector = old.nodeSelector
    if all(after.get(key) == value for key, value in before.items()):
        return []
    detail = "only additions to spec.nodeSelector are allowed (no mutations or deletions)"
    return [invalid(_SPEC.child("nodeSelector"), after, detail)]


def _changes(old: msgspec.Struct, new: msgspec.Struct) -> str:
    """The fields that differ, old and new, one a line. Go prints a diff of its own there."""
    lines: list[str] = []
    for field in old.__struct_fields__:
        before, after = getattr(old, field), getattr(new, field)
        # Go's semantic equality: empty and absent are the same.
        if before == after or (before in _NOTHING and after in _NOTHING):
            continue
        name = field[0].upper() + field[1:]
        lines.append(f"- \t{name}: {msgspec.json.encode(before).decode()},")
        lines.append(f"+ \t{name}: {msgspec.json.encode(after).decode()},")
    return "\n".join(lines)


def _validate_conditions(conditions: Sequence[core_v1.PodCondition]) -> list[FieldError]:
    errors: list[FieldError] = []
    for i, condition in enumerate(conditions):
        here = _STATUS.child("conditions").index(i)
        if (condition.observedGeneration or 0) < 0:
            detail = "must be a non-negative integer"
            errors.append(invalid(here.child("observedGeneration"), condition.observedGeneration, detail))
        if condition.type not in _SYSTEM_CONDITIONS:
            errors += names.check(here.child("Type"), condition.type, names.qualified_name)
    return errors


def _validate_transitions(
    field: str, new: core_v1.PodStatus, old: core_v1.PodStatus, spec: core_v1.PodSpec
) -> list[FieldError]:
    """A container that has ended stays so, unless it may be restarted."""
    if field == "ephemeralContainerStatuses":
        policy, containers = "Never", []
    else:
        policy = spec.restartPolicy or "Always"
        containers = [*spec.containers, *(spec.initContainers or ())]
    if policy == "Always" or _restarts_all_containers(containers):
        return []
    own = {container.name: container for container in containers}
    errors: list[FieldError] = []
    for i, before in enumerate(getattr(old, field) or ()):
        ended = before.state.terminated if before.state else None
        if ended is None or _may_restart(own.get(before.name), policy, ended.exitCode):
            continue
        for after in getattr(new, field) or ():
            if after.name == before.name and (after.state is None or after.state.terminated is None):
                where = _STATUS.child(field).index(i).child("state")
                errors.append(forbidden(where, "may not be transitioned to non-terminated state"))
    return errors


def _restarts_all_containers(containers: Sequence[core_v1.Container]) -> bool:
    """One such rule may bring back every container of the pod."""
    return any(
        rule.action == "RestartAllContainers"
        for container in containers
        for rule in container.restartPolicyRules or ()
    )


def _may_restart(container: core_v1.Container | None, pod_policy: str, exit_code: int) -> bool:
    """pkg/api/v1/pod/util.go: ContainerShouldRestart. The first rule that matches decides."""
    for rule in (container.restartPolicyRules if container else None) or ():
        codes = rule.exitCodes
        if codes is not None and (exit_code in (codes.values or ())) == (codes.operator == "In"):
            return True
    policy = (container.restartPolicy if container else None) or pod_policy
    return policy == "Always" or (policy == "OnFailure" and exit_code != 0)
