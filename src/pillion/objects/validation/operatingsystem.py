"""Rules for `os.name`: what only the other operating system knows (core/validation: validateOS, validateLinux,
validateWindows).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pillion.objects.fielderrors import FieldError, Path, forbidden, required
from pillion.objects.fielderrors import not_supported as unsupported

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pillion.objects.models import core_v1
    from pillion.objects.validation.containers import AnyContainer

_NOT_ON_WINDOWS_POD = (
    *("appArmorProfile", "seLinuxOptions", "seccompProfile", "fsGroup", "fsGroupChangePolicy", "sysctls"),
    *("runAsUser", "runAsGroup", "supplementalGroups", "supplementalGroupsPolicy", "seLinuxChangePolicy"),
)
_NOT_ON_WINDOWS_SPEC = ("hostUsers", "hostPID", "hostIPC", "shareProcessNamespace")
_NOT_ON_WINDOWS_CONTAINER = (
    *("appArmorProfile", "seLinuxOptions", "seccompProfile", "capabilities", "readOnlyRootFilesystem"),
    *("privileged", "allowPrivilegeEscalation", "procMount", "runAsUser", "runAsGroup"),
)


def validate_os(
    spec: core_v1.PodSpec, containers: Iterable[tuple[AnyContainer, Path]], path: Path
) -> list[FieldError]:
    if spec.os is None:
        return []
    if not spec.os.name:
        return [required(path.child("os", "name"), "cannot be empty")]
    contexts = [
        (container.securityContext, where.child("securityContext"))
        for container, where in containers
        if container.securityContext is not None
    ]
    match spec.os.name:
        case "linux":
            return _validate_linux(spec, contexts, path)
        case "windows":
            return _validate_windows(spec, contexts, path)
        case unknown:
            return [unsupported(path.child("os"), unknown, ("linux", "windows"))]


def _validate_linux(
    spec: core_v1.PodSpec, contexts: list[tuple[core_v1.SecurityContext, Path]], path: Path
) -> list[FieldError]:
    detail = "windows options cannot be set for a linux pod"
    errors: list[FieldError] = []
    if spec.securityContext is not None and spec.securityContext.windowsOptions is not None:
        errors.append(forbidden(path.child("securityContext", "windowsOptions"), detail))
    for context, where in contexts:
        if context.windowsOptions is not None:
            errors.append(forbidden(where.child("windowsOptions"), detail))
    return errors


def _validate_windows(
    spec: core_v1.PodSpec, contexts: list[tuple[core_v1.SecurityContext, Path]], path: Path
) -> list[FieldError]:
    detail = "cannot be set for a windows pod"
    places = [path.child("securityContext", field) for field in _set_fields(spec, _NOT_ON_WINDOWS_POD)]
    places += [
        path.child(field) for field in _NOT_ON_WINDOWS_SPEC if getattr(spec, field) not in (None, False)
    ]
    for context, where in contexts:
        places += [
            where.child(field) for field in _NOT_ON_WINDOWS_CONTAINER if getattr(context, field) is not None
        ]
    return [forbidden(place, detail) for place in places]


def _set_fields(spec: core_v1.PodSpec, fields: tuple[str, ...]) -> list[str]:
    if spec.securityContext is None:
        return []
    return [field for field in fields if getattr(spec.securityContext, field) not in (None, [])]
