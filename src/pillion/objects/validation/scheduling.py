"""Rules for where a pod may run: tolerations, affinity, topology spread. One machine ignores them; a cluster
does not, and the same manifest has to be good there.

Source: core/validation, ValidateTolerations, validateAffinity, validateTopologySpreadConstraints.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pillion.objects.fielderrors import FieldError, Path, duplicate, forbidden, invalid, required
from pillion.objects.fielderrors import not_supported as unsupported
from pillion.objects.validation import names
from pillion.objects.validation.metadata import validate_label_selector

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pillion.objects.models import core_v1, meta_v1

_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def validate_tolerations(tolerations: Sequence[core_v1.Toleration], path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    for i, toleration in enumerate(tolerations):
        here = path.index(i)
        operator, effect, value = toleration.operator or "", toleration.effect or "", toleration.value or ""
        if toleration.key:
            errors += names.check(here.child("key"), toleration.key, names.qualified_name)
        elif operator != "Exists":
            detail = (
                'operator must be Exists when `key` is empty, which means "match all values and all keys"'
            )
            errors.append(invalid(here.child("operator"), operator, detail))
        if toleration.tolerationSeconds is not None and effect != "NoExecute":
            detail = "effect must be 'NoExecute' when `tolerationSeconds` is set"
            errors.append(invalid(here.child("effect"), effect, detail))
        if operator in ("", "Equal"):
            if sentences := names.label_value(value):
                errors.append(invalid(here.child("operator"), value, ";".join(sentences)))
        elif operator == "Exists":
            if value:
                detail = "value must be empty when `operator` is 'Exists'"
                errors.append(invalid(here.child("operator"), value, detail))
        else:
            errors.append(unsupported(here.child("operator"), operator, ("Equal", "Exists")))
        if effect and effect not in _EFFECTS:
            errors.append(unsupported(here.child("effect"), effect, _EFFECTS))
    return errors


def validate_affinity(affinity: core_v1.Affinity | None, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    if affinity is None:
        return errors
    if affinity.nodeAffinity is not None:
        errors += _validate_node_affinity(affinity.nodeAffinity, path.child("nodeAffinity"))
    for field in ("podAffinity", "podAntiAffinity"):
        terms = getattr(affinity, field)
        if terms is not None:
            errors += _validate_pod_affinity(terms, path.child(field))
    return errors


def validate_topology_spread(
    constraints: Sequence[core_v1.TopologySpreadConstraint], path: Path
) -> list[FieldError]:
    errors: list[FieldError] = []
    for i, constraint in enumerate(constraints):
        here = path.index(i)
        if constraint.maxSkew <= 0:
            errors.append(invalid(here.child("maxSkew"), constraint.maxSkew, "must be greater than zero"))
        if not constraint.topologyKey:
            errors.append(required(here.child("topologyKey"), "can not be empty"))
        action = constraint.whenUnsatisfiable
        if action not in ("DoNotSchedule", "ScheduleAnyway"):
            supported = ("DoNotSchedule", "ScheduleAnyway")
            errors.append(unsupported(here.child("whenUnsatisfiable"), action, supported))
        pair = (constraint.topologyKey, action)
        if any((other.topologyKey, other.whenUnsatisfiable) == pair for other in constraints[i + 1 :]):
            shown = f"{{{constraint.topologyKey}, {action}}}"
            errors.append(duplicate(here.child("{topologyKey, whenUnsatisfiable}"), shown))
        errors += _validate_min_domains(constraint, here.child("minDomains"))
        for field in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
            policy = getattr(constraint, field)
            if policy is not None and policy not in ("Honor", "Ignore"):
                errors.append(unsupported(here.child(field), policy, ("Honor", "Ignore")))
        errors += _validate_match_label_keys(constraint, here.child("matchLabelKeys"))
        errors += validate_label_selector(constraint.labelSelector, here.child("labelSelector"))
    return errors


def _validate_min_domains(constraint: core_v1.TopologySpreadConstraint, path: Path) -> list[FieldError]:
    if constraint.minDomains is None:
        return []
    errors: list[FieldError] = []
    if constraint.minDomains <= 0:
        errors.append(invalid(path, constraint.minDomains, "must be greater than zero"))
    if constraint.whenUnsatisfiable != "DoNotSchedule":
        detail = (
            f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {constraint.whenUnsatisfiable}"
        )
        errors.append(invalid(path, constraint.minDomains, detail))
    return errors


def _validate_match_label_keys(constraint: core_v1.TopologySpreadConstraint, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    keys = constraint.matchLabelKeys or ()
    if keys and constraint.labelSelector is None:
        errors.append(forbidden(path, "must not be specified when labelSelector is not set"))
    selected = _selected_keys(constraint.labelSelector)
    for i, key in enumerate(keys):
        errors += names.check(path.index(i), key, names.qualified_name)
        if key in selected:
            errors.append(invalid(path.index(i), key, "exists in both matchLabelKeys and labelSelector"))
    return errors


def _selected_keys(selector: meta_v1.LabelSelector | None) -> set[str]:
    if selector is None:
        return set()
    expressions = selector.matchExpressions or ()
    return {*(selector.matchLabels or {}), *(expression.key for expression in expressions)}


def _validate_node_affinity(affinity: core_v1.NodeAffinity, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    needed = affinity.requiredDuringSchedulingIgnoredDuringExecution
    if needed is not None:
        terms_path = path.child(_REQUIRED, "nodeSelectorTerms")
        if not needed.nodeSelectorTerms:
            errors.append(required(terms_path, "must have at least one node selector term"))
        for i, term in enumerate(needed.nodeSelectorTerms):
            errors += _validate_node_term(term, terms_path.index(i), check_values=True)
    for i, preferred in enumerate(affinity.preferredDuringSchedulingIgnoredDuringExecution or ()):
        here = path.child(_PREFERRED).index(i)
        errors += _validate_weight(preferred.weight, here.child("weight"))
        # A preference may name a value that no label can have: it is then just never met.
        errors += _validate_node_term(preferred.preference, here.child("preference"), check_values=False)
    return errors


def _validate_node_term(
    term: core_v1.NodeSelectorTerm, path: Path, *, check_values: bool
) -> list[FieldError]:
    errors: list[FieldError] = []
    for i, expression in enumerate(term.matchExpressions or ()):
        here = path.child("matchExpressions").index(i)
        errors += _validate_node_expression(expression, here)
        for j, value in enumerate((expression.values or ()) if check_values else ()):
            errors += names.check(here.child("values").index(j), value, names.label_value)
    for i, field in enumerate(term.matchFields or ()):
        errors += _validate_node_field(field, path.child("matchFields").index(i))
    return errors


def _validate_node_expression(expression: core_v1.NodeSelectorRequirement, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    values = expression.values or ()
    values_path = path.child("values")
    match expression.operator:
        case "In" | "NotIn":
            if not values:
                errors.append(required(values_path, "must be specified when `operator` is 'In' or 'NotIn'"))
        case "Exists" | "DoesNotExist":
            if values:
                detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
                errors.append(forbidden(values_path, detail))
        case "Gt" | "Lt":
            if len(values) != 1:
                detail = "must be specified single value when `operator` is 'Lt' or 'Gt'"
                errors.append(required(values_path, detail))
        case _:
            detail = "not a valid selector operator"
            errors.append(invalid(path.child("operator"), expression.operator, detail))
    return errors + names.check(path.child("key"), expression.key, names.qualified_name)


def _validate_node_field(field: core_v1.NodeSelectorRequirement, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    values = field.values or ()
    if field.operator not in ("In", "NotIn"):
        errors.append(invalid(path.child("operator"), field.operator, "not a valid selector operator"))
    elif len(values) != 1:
        detail = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
        errors.append(required(path.child("values"), detail))
    if field.key != "metadata.name":
        return [*errors, invalid(path.child("key"), field.key, "not a valid field selector key")]
    for i, value in enumerate(values):
        errors += names.check(path.child("values").index(i), value, names.dns_subdomain)
    return errors


def _validate_pod_affinity(
    affinity: core_v1.PodAffinity | core_v1.PodAntiAffinity, path: Path
) -> list[FieldError]:
    errors: list[FieldError] = []
    for i, term in enumerate(affinity.requiredDuringSchedulingIgnoredDuringExecution or ()):
        errors += _validate_pod_term(term, path.child(_REQUIRED).index(i))
    for i, weighted in enumerate(affinity.preferredDuringSchedulingIgnoredDuringExecution or ()):
        here = path.child(_PREFERRED).index(i)
        errors += _validate_weight(weighted.weight, here.child("weight"))
        errors += _validate_pod_term(weighted.podAffinityTerm, here.child("podAffinityTerm"))
    return errors


def _validate_pod_term(term: core_v1.PodAffinityTerm, path: Path) -> list[FieldError]:
    errors = validate_label_selector(term.labelSelector, path.child("labelSelector"))
    errors += validate_label_selector(term.namespaceSelector, path.child("namespaceSelector"))
    for namespace in term.namespaces or ():
        errors += names.check(path.child("namespace"), namespace, names.dns_label)
    matched, mismatched = term.matchLabelKeys or (), term.mismatchLabelKeys or ()
    for field, keys in (("matchLabelKeys", matched), ("mismatchLabelKeys", mismatched)):
        if keys and term.labelSelector is None:
            detail = "must not be specified when labelSelector is not set"
            errors.append(forbidden(path.child(field), detail))
            continue
        for i, key in enumerate(keys):
            errors += names.check(path.child(field).index(i), key, names.qualified_name)
    for i, key in enumerate(matched):
        if key in mismatched:
            detail = "exists in both matchLabelKeys and mismatchLabelKeys"
            errors.append(invalid(path.child("matchLabelKeys").index(i), key, detail))
    topology_path = path.child("topologyKey")
    if not term.topologyKey:
        errors.append(required(topology_path, "can not be empty"))
    return errors + names.check(topology_path, term.topologyKey, names.qualified_name)


def _validate_weight(weight: int, path: Path) -> list[FieldError]:
    return [] if 0 < weight <= 100 else [invalid(path, weight, "must be in the range 1-100")]
