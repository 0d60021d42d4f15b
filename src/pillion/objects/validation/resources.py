"""Rules for requests and limits (core/validation: validateResourceRequirements and the helpers it calls)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from pillion.objects.fielderrors import FieldError, Path, duplicate, forbidden, invalid, not_found, required
from pillion.objects.fielderrors import not_supported as unsupported
from pillion.objects.models import core_v1
from pillion.objects.qos import (
    aggregate_requests,
    amount_text,
    amounts,
    is_overcommit_allowed,
    is_pod_level_resource,
)
from pillion.objects.validation import names
from pillion.units import format_quantity, parse_quantity

if TYPE_CHECKING:
    from decimal import Decimal

_CONTAINER_RESOURCES = frozenset({"cpu", "memory", "ephemeral-storage"})
_COUNTED = frozenset(
    {
        *("pods", "resourcequotas", "services", "replicationcontrollers", "secrets", "configmaps"),
        *("persistentvolumeclaims", "services.nodeports", "services.loadbalancers"),
    }
)
_STANDARD_RESOURCES = (
    _CONTAINER_RESOURCES
    | _COUNTED
    | {f"{kind}.{name}" for kind in ("requests", "limits") for name in _CONTAINER_RESOURCES}
    | {"storage", "requests.storage"}
)

NameRule = Callable[[str, Path], list[FieldError]]


def validate_container_resources(
    resources: core_v1.ResourceRequirements | None, claim_names: Sequence[str], path: Path
) -> list[FieldError]:
    return _validate_requirements(resources, claim_names, path, _validate_container_resource_name)


def validate_overhead(overhead: dict[str, str], path: Path) -> list[FieldError]:
    requirements = core_v1.ResourceRequirements(limits=overhead)
    return _validate_requirements(requirements, (), path, _validate_container_resource_name)


def validate_pod_resources(spec: core_v1.PodSpec, claim_names: Sequence[str], path: Path) -> list[FieldError]:
    """`spec.resources`: no less than what the containers ask for, no less than any of their limits."""
    if spec.resources is None:
        return []
    errors: list[FieldError] = []
    if spec.resources.claims is not None:
        errors.append(forbidden(path.child("claims"), "claims cannot be set for Resources at pod-level"))
    errors += _validate_requirements(spec.resources, claim_names, path, _validate_pod_resource_name)
    return errors + _validate_pod_covers_containers(spec, spec.resources, path)


def quantity_text(text: str) -> str:
    """The canonical spelling, or the text itself where there is none."""
    try:
        return format_quantity(text)
    except ValueError:
        return text


def _validate_requirements(
    resources: core_v1.ResourceRequirements | None,
    claim_names: Sequence[str],
    path: Path,
    validate_name: NameRule,
) -> list[FieldError]:
    if resources is None:
        return []
    limits, requests = resources.limits or {}, resources.requests or {}
    errors: list[FieldError] = []
    for name, text in sorted(limits.items()):
        errors += _validate_amount(name, text, path.child("limits").key(name), validate_name)
    for name, text in sorted(requests.items()):
        errors += _validate_amount(name, text, path.child("requests").key(name), validate_name)
        errors += _validate_request_against_limit(name, text, limits, path)
    asked = {*limits, *requests}
    if any(name.startswith("hugepages-") for name in asked) and not asked & {"cpu", "memory"}:
        errors.append(forbidden(path, "HugePages require cpu or memory"))
    return errors + _validate_claims(resources.claims or (), claim_names, path.child("claims"))


def _validate_amount(name: str, text: str, path: Path, validate_name: NameRule) -> list[FieldError]:
    errors = validate_name(name, path)
    try:
        amount = parse_quantity(text)
    except ValueError as error:
        return [*errors, invalid(path, text, str(error))]
    if amount < 0:
        errors.append(invalid(path, quantity_text(text), "must be greater than or equal to 0"))
    if _is_integer(name) and amount != amount.to_integral_value():
        errors.append(invalid(path, quantity_text(text), "must be an integer"))
    if name.startswith("hugepages-") and not _is_divisible(amount, name.removeprefix("hugepages-")):
        shown = quantity_text(text)
        errors.append(invalid(path, shown, f"{shown} is not positive integer multiple of {name}"))
    return errors


def _validate_request_against_limit(
    name: str, text: str, limits: Mapping[str, str], path: Path
) -> list[FieldError]:
    request = amounts({name: text}).get(name)
    limit = amounts(limits).get(name)
    if request is None:
        return []
    if limit is None:
        if name in limits or is_overcommit_allowed(name):
            return []
        return [required(path.child("limits"), "Limit must be set for non overcommitable resources")]
    shown = f"{name} limit of {quantity_text(limits[name])}"
    if request != limit and not is_overcommit_allowed(name):
        return [invalid(path.child("requests"), quantity_text(text), f"must be equal to {shown}")]
    if request > limit:
        detail = f"must be less than or equal to {shown}"
        return [invalid(path.child("requests"), quantity_text(text), detail)]
    return []


def _validate_container_resource_name(name: str, path: Path) -> list[FieldError]:
    errors = _validate_resource_name(name, path)
    if "/" not in name:
        if name not in _CONTAINER_RESOURCES and not name.startswith("hugepages-"):
            errors.append(invalid(path, name, "must be a standard resource for containers"))
    elif "kubernetes.io/" not in name and not _is_extended(name):
        errors.append(invalid(path, name, "doesn't follow extended resource name standard"))
    return errors


def _validate_pod_resource_name(name: str, path: Path) -> list[FieldError]:
    errors = _validate_resource_name(name, path)
    if errors or is_pod_level_resource(name):
        return errors
    return [unsupported(path, name, ("cpu", "hugepages-", "memory"))]


def _validate_resource_name(name: str, path: Path) -> list[FieldError]:
    errors = names.check(path, name, names.qualified_name)
    if not errors and "/" not in name and not _is_standard(name):
        errors.append(invalid(path, name, "must be a standard resource type or fully qualified"))
    return errors


def _validate_claims(
    claims: Sequence[core_v1.ResourceClaim], claim_names: Sequence[str], path: Path
) -> list[FieldError]:
    """Each claim, or request of a claim, once; and only claims that the pod has."""
    errors: list[FieldError] = []
    seen: set[str] = set()
    for i, claim in enumerate(claims):
        here = path.index(i)
        if not claim.name:
            errors.append(required(here))
            continue
        key = f"{claim.name}/{claim.request}" if claim.request else claim.name
        if claim.request and claim.name not in seen:
            errors += names.check(here.child("request"), claim.request, names.dns_label)
        if claim.name in seen:
            errors.append(duplicate(here, claim.name))
        elif key in seen:
            errors.append(duplicate(here, key))
        elif not claim.request and any(other.split("/")[0] == claim.name for other in seen):
            errors.append(duplicate(here, claim.name))
        seen.add(key)
        if claim.name not in claim_names:
            listed = f": {', '.join(sorted(claim_names))}" if claim_names else " which is empty"
            detail = f"must be one of the names in pod.spec.resourceClaims{listed}"
            errors.append(not_found(here, claim.name, detail))
    return errors


def _validate_pod_covers_containers(
    spec: core_v1.PodSpec, resources: core_v1.ResourceRequirements, path: Path
) -> list[FieldError]:
    errors: list[FieldError] = []
    own_requests = amounts(resources.requests)
    for name, total in sorted(aggregate_requests(core_v1.Pod(spec=spec)).items()):
        if name in own_requests and total > own_requests[name]:
            shown = quantity_text((resources.requests or {})[name])
            detail = (
                f"must be greater than or equal to aggregate container requests of {amount_text(name, total)}"
            )
            errors.append(invalid(path.child("requests").key(name), shown, detail))
    own_limits = amounts(resources.limits)
    for i, container in enumerate(spec.containers):
        limits = (container.resources.limits if container.resources else None) or {}
        for name, limit in sorted(amounts(limits).items()):
            if name in own_limits and limit > own_limits[name]:
                here = path.child("containers").index(i).key(name).child("limits")
                detail = f"must be less than or equal to pod limits of {quantity_text((resources.limits or {})[name])}"
                errors.append(invalid(here, quantity_text(limits[name]), detail))
    return errors


def _is_standard(name: str) -> bool:
    return name in _STANDARD_RESOURCES or name.startswith(("hugepages-", "requests.hugepages-"))


def _is_extended(name: str) -> bool:
    """`example.com/gpu`: somebody else's, and qualified enough to be counted in a quota."""
    native = "/" not in name or "kubernetes.io/" in name
    return not native and not name.startswith("requests.") and not names.qualified_name(f"requests.{name}")


def _is_integer(name: str) -> bool:
    return name in _COUNTED or _is_extended(name)


def _is_divisible(amount: Decimal, page_size: str) -> bool:
    try:
        page = parse_quantity(page_size)
    except ValueError:
        return False
    return page > 0 and page == page.to_integral_value() and amount % page == 0
