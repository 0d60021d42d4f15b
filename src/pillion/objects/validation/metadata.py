"""Rules for metadata, labels and label selectors.

Sources: apimachinery api/validation/objectmeta.go and apis/meta/v1/validation/validation.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pillion.objects.fielderrors import FieldError, Path, forbidden, invalid, required, too_long
from pillion.objects.validation import names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pillion.objects.models import meta_v1

ANNOTATIONS_MAX_BYTES = 256 * 1024
_STANDARD_FINALIZERS = frozenset({"kubernetes", "orphan", "foregroundDeletion"})
IMMUTABLE = "field is immutable"


def validate_object_meta(
    meta: meta_v1.ObjectMeta, name_syntax: names.Syntax, path: Path, *, namespaced: bool = True
) -> list[FieldError]:
    """The metadata of an object to be created.

    A missing name is no error while there is a generateName, and neither is a missing namespace: both are
    filled in by whoever stores the object.
    """
    errors: list[FieldError] = []
    if meta.generateName:
        errors += names.check(path.child("generateName"), meta.generateName, names.name_prefix(name_syntax))
    if meta.name:
        errors += names.check(path.child("name"), meta.name, name_syntax)
    elif not meta.generateName:
        errors.append(required(path.child("name"), "name or generateName is required"))
    if meta.namespace and not namespaced:
        errors.append(forbidden(path.child("namespace"), "not allowed on this type"))
    elif meta.namespace:
        errors += names.check(path.child("namespace"), meta.namespace, names.dns_label)
    if (meta.generation or 0) < 0:
        errors.append(
            invalid(path.child("generation"), meta.generation, "must be greater than or equal to 0")
        )
    return errors + _validate_common(meta, path)


def validate_object_meta_update(
    new: meta_v1.ObjectMeta, old: meta_v1.ObjectMeta, path: Path
) -> list[FieldError]:
    """What may change in metadata. A stale resourceVersion is a conflict, which the store finds."""
    errors: list[FieldError] = []
    added = sorted(set(new.finalizers or ()) - set(old.finalizers or ()))
    if old.deletionTimestamp is not None and added:
        shown = "[]string{" + ", ".join(f'"{name}"' for name in added) + "}"
        detail = (
            f"no new finalizers can be added if the object is being deleted, found new finalizers {shown}"
        )
        errors.append(forbidden(path.child("finalizers"), detail))
    if not new.resourceVersion:
        errors.append(invalid(path.child("resourceVersion"), "", "must be specified for an update"))
    if (new.generation or 0) < (old.generation or 0):
        errors.append(invalid(path.child("generation"), new.generation or 0, "must not be decremented"))
    for field in (
        "name",
        "namespace",
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
    ):
        value = getattr(new, field)
        if value != getattr(old, field):
            errors.append(invalid(path.child(field), "null" if value is None else value, IMMUTABLE))
    return errors + _validate_common(new, path)


def validate_labels(labels: Mapping[str, Any] | None, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    for key, value in sorted((labels or {}).items()):
        errors += names.check(path, key, names.qualified_name)
        errors += names.check(path, str(value), names.label_value)
    return errors


def validate_label_selector(selector: meta_v1.LabelSelector | None, path: Path) -> list[FieldError]:
    if selector is None:
        return []
    errors = validate_labels(selector.matchLabels, path.child("matchLabels"))
    for i, requirement in enumerate(selector.matchExpressions or ()):
        errors += _validate_requirement(requirement, path.child("matchExpressions").index(i))
    return errors


def _validate_requirement(requirement: meta_v1.LabelSelectorRequirement, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    values = requirement.values or []
    match requirement.operator:
        case "In" | "NotIn":
            if not values:
                errors.append(
                    required(path.child("values"), "must be specified when `operator` is 'In' or 'NotIn'")
                )
        case "Exists" | "DoesNotExist":
            if values:
                detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
                errors.append(forbidden(path.child("values"), detail))
        case _:
            detail = "not a valid selector operator"
            errors.append(invalid(path.child("operator"), requirement.operator, detail))
    errors += names.check(path.child("key"), requirement.key, names.qualified_name)
    for i, value in enumerate(values):
        errors += names.check(path.child("values").index(i), value, names.label_value)
    return errors


def _validate_common(meta: meta_v1.ObjectMeta, path: Path) -> list[FieldError]:
    errors = validate_labels(meta.labels, path.child("labels"))
    errors += _validate_annotations(meta.annotations or {}, path.child("annotations"))
    errors += _validate_owners(meta.ownerReferences or (), path.child("ownerReferences"))
    return errors + _validate_finalizers(meta.finalizers or [], path.child("finalizers"))


def _validate_annotations(annotations: Mapping[str, Any], path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    for key in sorted(annotations):
        # A label key, except that case does not matter.
        errors += [invalid(path, key, sentence) for sentence in names.qualified_name(key.lower())]
    return errors + validate_annotations_size(annotations, path)


def validate_annotations_size(annotations: Mapping[str, Any], path: Path) -> list[FieldError]:
    """Of keys and values together (ValidateAnnotationsSize)."""
    size = sum(len(key.encode()) + len(str(value).encode()) for key, value in annotations.items())
    return [too_long(path, ANNOTATIONS_MAX_BYTES)] if size > ANNOTATIONS_MAX_BYTES else []


def _validate_owners(owners: Sequence[meta_v1.OwnerReference], path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    controller = ""
    for owner in owners:
        if not owner.apiVersion:
            errors.append(invalid(path.child("apiVersion"), "", "version must not be empty"))
        errors += [
            invalid(path.child(field), "", "must not be empty")
            for field in ("kind", "name", "uid")
            if not getattr(owner, field)
        ]
        if not owner.controller:
            continue
        this = f"{owner.kind}/{owner.name}"
        if controller:
            detail = (
                'Only one reference can have Controller set to true. Found "true" in references '
                f"for {controller} and {this}"
            )
            errors.append(invalid(path, [_wire(reference) for reference in owners], detail))
        controller = controller or this
    return errors


def _wire(owner: meta_v1.OwnerReference) -> dict[str, object]:
    """In the order of metav1.OwnerReference's JSON."""
    fields = ("apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion")
    return {field: value for field in fields if (value := getattr(owner, field)) is not None}


def _validate_finalizers(finalizers: Sequence[str], path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    for finalizer in finalizers:
        errors += names.check(path, finalizer, names.qualified_name)
    if "orphan" in finalizers and "foregroundDeletion" in finalizers:
        detail = "finalizer orphan and foregroundDeletion cannot be both set"
        errors.append(invalid(path, list(finalizers), detail))
    for i, finalizer in enumerate(finalizers):
        if "/" not in finalizer and finalizer not in _STANDARD_FINALIZERS:
            detail = "name is neither a standard finalizer name nor is it fully qualified"
            errors.append(invalid(path.index(i), finalizer, detail))
    return errors
