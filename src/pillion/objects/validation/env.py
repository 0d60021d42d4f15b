"""Rules for environment variables and the references in them (core/validation: ValidateEnv, ValidateEnvFrom)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pillion.objects.fielderrors import FieldError, Path, invalid, not_found, required
from pillion.objects.fielderrors import not_supported as unsupported
from pillion.objects.validation import names
from pillion.objects.validation.paths import validate_non_reserved_path
from pillion.units import format_quantity, parse_quantity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pillion.objects.models import core_v1

ENV_FIELDS = (
    *("metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName"),
    *("status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs"),
)
VOLUME_FIELDS = (
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
)
_SUBSCRIPTED = ("metadata.annotations", "metadata.labels")
_KNOWN_FIELDS = frozenset(
    {*ENV_FIELDS, *VOLUME_FIELDS, "spec.restartPolicy", "spec.schedulerName", "status.phase", "spec.host"}
)

_RESOURCE_FIELDS = (
    *("limits.cpu", "limits.ephemeral-storage", "limits.memory"),
    *("requests.cpu", "requests.ephemeral-storage", "requests.memory"),
)
_BYTES = ("1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei")


def validate_env(
    variables: Sequence[core_v1.EnvVar], volumes: Mapping[str, core_v1.Volume], path: Path
) -> list[FieldError]:
    errors: list[FieldError] = []
    for i, variable in enumerate(variables):
        here = path.index(i)
        if variable.name:
            errors += names.check(here.child("name"), variable.name, names.env_var_name)
        else:
            errors.append(required(here.child("name")))
        if variable.valueFrom is not None:
            errors += _validate_value_from(variable, variable.valueFrom, volumes, here.child("valueFrom"))
    return errors


def validate_env_from(sources: Sequence[core_v1.EnvFromSource], path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    for i, source in enumerate(sources):
        here = path.index(i)
        if source.prefix:
            errors += names.check(here.child("prefix"), source.prefix, names.env_var_name)
        given = [("configMapRef", source.configMapRef), ("secretRef", source.secretRef)]
        present = [(field, reference) for field, reference in given if reference is not None]
        for field, reference in present:
            name_path = here.child(field, "name")
            if reference.name:
                errors += names.check(name_path, reference.name, names.name_prefix(names.dns_subdomain))
            else:
                errors.append(required(name_path))
        # Upstream blames the list, not its entry.
        if not present:
            errors.append(invalid(path, "", "must specify one of: `configMapRef` or `secretRef`"))
        elif len(present) > 1:
            errors.append(invalid(path, "", "may not have more than one field specified at a time"))
    return errors


def validate_field_ref(
    reference: core_v1.ObjectFieldSelector, fields: Sequence[str], path: Path
) -> list[FieldError]:
    if not reference.apiVersion:
        return [required(path.child("apiVersion"))]
    if not reference.fieldPath:
        return [required(path.child("fieldPath"))]
    problem = _conversion_problem(reference.apiVersion, reference.fieldPath)
    if problem:
        return [
            invalid(path.child("fieldPath"), reference.fieldPath, f"error converting fieldPath: {problem}")
        ]
    subscripted = _split_subscript(reference.fieldPath)
    if subscripted is None:
        field = "spec.nodeName" if reference.fieldPath == "spec.host" else reference.fieldPath
        return [] if field in fields else [unsupported(path.child("fieldPath"), field, fields)]
    field, key = subscripted
    return names.check(path, key.lower() if field == "metadata.annotations" else key, names.qualified_name)


def validate_resource_field_ref(
    reference: core_v1.ResourceFieldSelector, path: Path, *, in_volume: bool
) -> list[FieldError]:
    """In a volume the container has to be named; in an environment it is the variable's own."""
    errors: list[FieldError] = []
    resource = reference.resource
    if in_volume and not reference.containerName:
        errors.append(required(path.child("containerName")))
    elif not resource:
        errors.append(required(path.child("resource")))
    elif resource not in _RESOURCE_FIELDS and not _is_huge_pages(resource):
        errors.append(unsupported(path.child("resource"), resource, _RESOURCE_FIELDS))
    return errors + _validate_divisor(resource, reference.divisor or "0", path.child("divisor"))


def validate_key_ref(
    reference: core_v1.ConfigMapKeySelector | core_v1.SecretKeySelector, path: Path
) -> list[FieldError]:
    errors = names.check(path.child("name"), reference.name or "", names.dns_subdomain)
    if reference.key:
        return errors + names.check(path.child("key"), reference.key, names.config_key)
    return [*errors, required(path.child("key"))]


def _validate_value_from(
    variable: core_v1.EnvVar,
    source: core_v1.EnvVarSource,
    volumes: Mapping[str, core_v1.Volume],
    path: Path,
) -> list[FieldError]:
    errors: list[FieldError] = []
    count = 0
    if source.fieldRef is not None:
        count += 1
        errors += validate_field_ref(source.fieldRef, ENV_FIELDS, path.child("fieldRef"))
    if source.resourceFieldRef is not None:
        count += 1
        errors += validate_resource_field_ref(
            source.resourceFieldRef, path.child("resourceFieldRef"), in_volume=False
        )
    if source.configMapKeyRef is not None:
        count += 1
        errors += validate_key_ref(source.configMapKeyRef, path.child("configMapKeyRef"))
    if source.secretKeyRef is not None:
        count += 1
        errors += validate_key_ref(source.secretKeyRef, path.child("secretKeyRef"))
    if source.fileKeyRef is not None:
        count += 1
        errors += _validate_file_key_ref(source.fileKeyRef, volumes, path.child("fileKeyRef"))
    if count == 0:
        detail = (
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, "
            "`secretKeyRef` or `fileKeyRef`"
        )
        errors.append(invalid(path, "", detail))
    elif variable.value:
        errors.append(invalid(path, "", "may not be specified when `value` is not empty"))
    elif count > 1:
        errors.append(invalid(path, "", "may not have more than one field specified at a time"))
    return errors


def _validate_file_key_ref(
    reference: core_v1.FileKeySelector, volumes: Mapping[str, core_v1.Volume], path: Path
) -> list[FieldError]:
    errors: list[FieldError] = []
    if reference.key:
        errors += names.check(path.child("key"), reference.key, names.env_var_name)
    else:
        errors.append(required(path.child("key")))
    if reference.path:
        errors += validate_non_reserved_path(reference.path, path.child("path"))
    else:
        errors.append(required(path.child("path")))
    volume_path = path.child("volumeName")
    volume = volumes.get(reference.volumeName)
    if not reference.volumeName:
        errors.append(required(volume_path))
    elif volume is None:
        errors.append(not_found(volume_path, reference.volumeName))
    elif volume.emptyDir is None:
        detail = "referenced volume must be of type emptyDir"
        errors.append(invalid(volume_path, reference.volumeName, detail))
    return errors


def _conversion_problem(version: str, label: str) -> str:
    """pkg/apis/core/pods/helpers.go: ConvertDownwardAPIFieldLabel."""
    if version != "v1":
        return f"unsupported pod version: {version}"
    subscripted = _split_subscript(label)
    if subscripted is not None:
        allowed = subscripted[0] in _SUBSCRIPTED
        return "" if allowed else f"field label does not support subscript: {label}"
    return "" if label in _KNOWN_FIELDS else f"field label not supported: {label}"


def _split_subscript(label: str) -> tuple[str, str] | None:
    """`metadata.labels['app']` → (`metadata.labels`, `app`); None without a subscript."""
    field, bracket, key = label.removesuffix("']").partition("['")
    return (field, key) if label.endswith("']") and bracket and field else None


def _validate_divisor(resource: str, divisor: str, path: Path) -> list[FieldError]:
    try:
        if parse_quantity(divisor) == 0:
            return []
        spelled = format_quantity(divisor)
    except ValueError as error:
        return [invalid(path, divisor, str(error))]
    if resource.endswith(".cpu") and resource in _RESOURCE_FIELDS:
        allowed: Sequence[str] = ("1m", "1")
        listed, kind = "1m and 1", "cpu"
    elif resource in _RESOURCE_FIELDS or _is_huge_pages(resource):
        allowed, listed = _BYTES, ", ".join(_BYTES)
        kind = "memory" if resource.endswith(".memory") else "hugepages"
        kind = "local ephemeral storage" if resource.endswith(".ephemeral-storage") else kind
    else:
        return []
    if spelled in allowed:
        return []
    # Upstream shows the resource as the bad value, not the divisor.
    return [invalid(path, resource, f"only divisor's values {listed} are supported with the {kind} resource")]


def _is_huge_pages(resource: str) -> bool:
    return resource.startswith(("limits.hugepages-", "requests.hugepages-"))
