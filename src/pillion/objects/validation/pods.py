"""Rules for a Pod as a whole (core/validation: ValidatePodCreate, validatePodMetadataAndSpec, ValidatePodSpec).

The order is that of ValidatePodSpec, because it is the order in which people read the errors.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pillion.objects.fielderrors import FieldError, Path, duplicate, forbidden, invalid, required, too_long
from pillion.objects.fielderrors import not_supported as unsupported
from pillion.objects.models import core_v1, meta_v1
from pillion.objects.validation import names
from pillion.objects.validation.containers import (
    AnyContainer,
    Surroundings,
    validate_ephemeral_containers,
    validate_image_blanks,
    validate_init_containers,
    validate_main_containers,
)
from pillion.objects.validation.dns import validate_dns_config
from pillion.objects.validation.metadata import validate_labels, validate_object_meta
from pillion.objects.validation.operatingsystem import validate_os
from pillion.objects.validation.resources import validate_overhead, validate_pod_resources
from pillion.objects.validation.scheduling import (
    validate_affinity,
    validate_tolerations,
    validate_topology_spread,
)
from pillion.objects.validation.security import validate_host_users, validate_pod_security_context
from pillion.objects.validation.volumes import validate_volumes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

HOSTNAME_OVERRIDE_MAX = 64
MAX_DEADLINE_SECONDS = (1 << 31) - 1
MIRROR_POD = "kubernetes.io/config.mirror"
APPARMOR_PREFIX = "container.apparmor.security.beta.kubernetes.io/"
_DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
_RESTART_POLICIES = ("Always", "OnFailure", "Never")
_DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_PREEMPTION_POLICIES = ("PreemptLowerPriority", "Never")
_INT32 = re.compile(r"0|-?[1-9][0-9]{0,9}", re.ASCII)


def validate_pod(pod: core_v1.Pod) -> list[FieldError]:
    """A Pod to be created, defaults filled in."""
    spec = pod.spec or core_v1.PodSpec(containers=[])
    path = Path("spec")
    errors = validate_metadata_and_spec(pod)
    if spec.ephemeralContainers:
        errors.append(forbidden(path.child("ephemeralContainers"), "cannot be set on create"))
    if spec.nodeName and spec.schedulingGates:
        detail = "cannot be set until all schedulingGates have been cleared"
        errors.append(forbidden(path.child("nodeName"), detail))
    return errors


def validate_metadata_and_spec(pod: core_v1.Pod) -> list[FieldError]:
    """What holds for a Pod at any time."""
    meta, spec = pod.metadata or meta_v1.ObjectMeta(), pod.spec or core_v1.PodSpec(containers=[])
    meta_path, path = Path("metadata"), Path("spec")
    errors = validate_object_meta(meta, names.dns_subdomain, meta_path)
    errors += validate_annotations(meta.annotations or {}, spec, meta_path.child("annotations"))
    errors += _validate_spec(spec, meta.name, path)
    if not spec.serviceAccountName:
        errors += _forbid_tokens(spec.volumes or (), path.child("volumes"))
    for field, containers in (("containers", spec.containers), ("initContainers", spec.initContainers)):
        for i, container in enumerate(containers or ()):
            errors += validate_image_blanks(container, path.child(field).index(i))
    return errors


def validate_annotations(
    annotations: Mapping[str, str], spec: core_v1.PodSpec, path: Path
) -> list[FieldError]:
    """Annotations that mean something to Kubernetes itself."""
    errors: list[FieldError] = []
    if MIRROR_POD in annotations and not spec.nodeName:
        detail = "must set spec.nodeName if mirror pod annotation is set"
        errors.append(invalid(path.key(MIRROR_POD), annotations[MIRROR_POD], detail))
    cost = annotations.get(_DELETION_COST)
    if cost is not None and not (_INT32.fullmatch(cost) and -(1 << 31) <= int(cost) < 1 << 31):
        errors.append(invalid(path.key(_DELETION_COST), cost, "must be a 32bit integer"))
    container_names = {container.name for container, _ in all_containers(spec, Path())}
    for key, profile in sorted(annotations.items()):
        if not key.startswith(APPARMOR_PREFIX):
            continue
        container = key.removeprefix(APPARMOR_PREFIX)
        if container not in container_names:
            errors.append(invalid(path.key(key), container, "container not found"))
        if profile not in ("", "runtime/default", "unconfined") and not profile.startswith("localhost/"):
            detail = f'invalid AppArmor profile name: "{profile}"'
            errors.append(invalid(path.key(key), profile, detail))
    return errors


def all_containers(spec: core_v1.PodSpec, path: Path) -> Iterator[tuple[AnyContainer, Path]]:
    """Inits, mains, ephemerals, with their places: the order of VisitContainersWithPath."""
    lists: tuple[tuple[str, Sequence[AnyContainer] | None], ...] = (
        ("initContainers", spec.initContainers),
        ("containers", spec.containers),
        ("ephemeralContainers", spec.ephemeralContainers),
    )
    for field, containers in lists:
        for i, container in enumerate(containers or ()):
            yield container, path.child(field).index(i)


def _validate_spec(spec: core_v1.PodSpec, pod_name: str | None, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    if spec.terminationGracePeriodSeconds is None:
        errors.append(required(path.child("terminationGracePeriodSeconds")))
    volumes, volume_errors = validate_volumes(spec.volumes or (), pod_name, path.child("volumes"))
    around = Surroundings(
        volumes=volumes,
        claim_names=tuple(claim.name for claim in spec.resourceClaims or () if claim.name),
        grace_seconds=spec.terminationGracePeriodSeconds,
        restart_policy=spec.restartPolicy,
        host_users=spec.hostUsers is not False,
    )
    mains, inits = spec.containers, spec.initContainers or []
    ephemerals = spec.ephemeralContainers or []
    return [
        *errors,
        *volume_errors,
        *_validate_resource_claims(spec.resourceClaims or (), path.child("resourceClaims")),
        *validate_main_containers(mains, around, path.child("containers")),
        *validate_init_containers(inits, mains, around, path.child("initContainers")),
        *validate_ephemeral_containers(
            ephemerals, [*mains, *inits], around, path.child("ephemeralContainers")
        ),
        *validate_pod_resources(spec, around.claim_names, path.child("resources")),
        *_validate_host_network_ports(spec, path),
        *_validate_choice(spec.restartPolicy, _RESTART_POLICIES, path.child("restartPolicy")),
        *_validate_choice(spec.dnsPolicy, _DNS_POLICIES, path.child("dnsPolicy")),
        *validate_labels(spec.nodeSelector, path.child("nodeSelector")),
        *validate_pod_security_context(spec, path.child("securityContext")),
        *validate_affinity(spec.affinity, path.child("affinity")),
        *validate_dns_config(spec.dnsConfig, spec.dnsPolicy, path.child("dnsConfig")),
        *_validate_gates(spec, path),
        *validate_topology_spread(
            spec.topologySpreadConstraints or (), path.child("topologySpreadConstraints")
        ),
        *validate_host_users(spec, path),
        *_validate_names(spec, path),
        *validate_tolerations(spec.tolerations or (), path.child("tolerations")),
        *_validate_host_aliases(spec.hostAliases or (), path.child("hostAliases")),
        *_validate_classes(spec, path),
        *validate_os(spec, all_containers(spec, path), path),
    ]


def _validate_resource_claims(claims: Sequence[core_v1.PodResourceClaim], path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    taken: set[str] = set()
    for i, claim in enumerate(claims):
        here = path.index(i)
        # Kubernetes' internal types have no JSON names: Go's own names show.
        shown = {
            "Name": claim.name,
            "ResourceClaimName": claim.resourceClaimName,
            "ResourceClaimTemplateName": claim.resourceClaimTemplateName,
        }
        if not claim.name:
            errors.append(required(here.child("name")))
        elif claim.name in taken:
            errors.append(duplicate(here.child("name"), claim.name))
        else:
            errors += names.check(here.child("name"), claim.name, names.dns_label)
            taken.add(claim.name)
        given = [
            (field, name)
            for field in ("resourceClaimName", "resourceClaimTemplateName")
            if (name := getattr(claim, field)) is not None
        ]
        if len(given) > 1:
            detail = "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified"
            errors.append(invalid(here, shown, detail))
        elif not given:
            detail = "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"
            errors.append(invalid(here, shown, detail))
        for field, name in given:
            errors += names.check(here.child(field), name, names.dns_subdomain)
    return errors


def _validate_host_network_ports(spec: core_v1.PodSpec, path: Path) -> list[FieldError]:
    if not spec.hostNetwork:
        return []
    detail = "must match `containerPort` when `hostNetwork` is true"
    return [
        invalid(
            path.child("containers").index(i).child("ports").index(j).child("hostPort"),
            port.hostPort or 0,
            detail,
        )
        for i, container in enumerate(spec.containers)
        for j, port in enumerate(container.ports or ())
        if (port.hostPort or 0) != port.containerPort
    ]


def _validate_choice(value: str | None, supported: tuple[str, ...], path: Path) -> list[FieldError]:
    if not value:
        return [required(path)]
    return [] if value in supported else [unsupported(path, value, supported)]


def _validate_gates(spec: core_v1.PodSpec, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    for i, gate in enumerate(spec.readinessGates or ()):
        where = path.child("readinessGates").index(i).child("conditionType")
        errors += names.check(where, gate.conditionType, names.qualified_name)
    seen: set[str] = set()
    for i, scheduling_gate in enumerate(spec.schedulingGates or ()):
        here = path.child("schedulingGates").index(i)
        errors += names.check(here, scheduling_gate.name, names.qualified_name)
        if scheduling_gate.name in seen:
            errors.append(duplicate(here, scheduling_gate.name))
        seen.add(scheduling_gate.name)
    return errors


def _validate_names(spec: core_v1.PodSpec, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    for field in ("serviceAccountName", "nodeName"):
        if name := getattr(spec, field):
            errors += names.check(path.child(field), name, names.dns_subdomain)
    deadline = spec.activeDeadlineSeconds
    if deadline is not None:
        errors += [
            invalid(path.child("activeDeadlineSeconds"), deadline, sentence)
            for sentence in names.in_range(deadline, 1, MAX_DEADLINE_SECONDS)
        ]
    for field in ("hostname", "subdomain"):
        if name := getattr(spec, field):
            errors += names.check(path.child(field), name, names.dns_label)
    return errors + _validate_hostname_override(spec, path)


def _validate_hostname_override(spec: core_v1.PodSpec, path: Path) -> list[FieldError]:
    override = spec.hostnameOverride
    if override is None:
        return []
    where = path.child("hostnameOverride")
    errors = names.check(where, override, names.dns_subdomain)
    if len(override.encode()) > HOSTNAME_OVERRIDE_MAX:
        errors.append(too_long(where, HOSTNAME_OVERRIDE_MAX))
    if spec.setHostnameAsFQDN:
        errors.append(forbidden(where, "may not be specified when setHostnameAsFQDN is true"))
    if spec.hostNetwork:
        errors.append(forbidden(where, "may not be specified when hostNetwork is true"))
    return errors


def _validate_host_aliases(aliases: Sequence[core_v1.HostAlias], path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    for i, alias in enumerate(aliases):
        here = path.index(i)
        errors += names.check(here.child("ip"), alias.ip, names.ip_address)
        for j, hostname in enumerate(alias.hostnames or ()):
            errors += names.check(here.child("hostnames").index(j), hostname, names.dns_subdomain)
    return errors


def _validate_classes(spec: core_v1.PodSpec, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    if spec.priorityClassName:
        where = path.child("priorityClassName")
        errors += names.check(where, spec.priorityClassName, names.dns_subdomain)
    if spec.runtimeClassName is not None:
        where = path.child("runtimeClassName")
        errors += names.check(where, spec.runtimeClassName, names.dns_subdomain)
    if spec.preemptionPolicy is not None:
        where = path.child("preemptionPolicy")
        errors += _validate_choice(spec.preemptionPolicy, _PREEMPTION_POLICIES, where)
    if spec.overhead is not None:
        errors += validate_overhead(spec.overhead, path.child("overhead"))
    return errors


def _forbid_tokens(volumes: Sequence[core_v1.Volume], path: Path) -> list[FieldError]:
    """A service account token needs to know whose it is."""
    detail = "must not be specified when serviceAccountName is not set"
    return [
        forbidden(path.index(i).child("projected", "sources").index(j).child("serviceAccountToken"), detail)
        for i, volume in enumerate(volumes)
        if volume.projected is not None
        for j, source in enumerate(volume.projected.sources or ())
        if source.serviceAccountToken is not None
    ]
