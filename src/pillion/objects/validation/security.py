"""Rules for security contexts (core/validation: validatePodSpecSecurityContext, ValidateSecurityContext)."""

from __future__ import annotations

from pillion.objects.fielderrors import FieldError, Path, duplicate, forbidden, invalid, required, too_long
from pillion.objects.fielderrors import not_supported as unsupported
from pillion.objects.models import core_v1
from pillion.objects.validation import names
from pillion.objects.validation.paths import validate_descending_path

MAX_ID = (1 << 31) - 1
MAX_APPARMOR_PROFILE = 4095
_PROFILE_TYPES = ("Localhost", "RuntimeDefault", "Unconfined")
_NET_SYSCTLS = ("net.",)
_IPC_SYSCTLS = ("kernel.shm", "kernel.msg", "fs.mqueue.")


def validate_pod_security_context(spec: core_v1.PodSpec, path: Path) -> list[FieldError]:
    """Together with the host namespaces, which Kubernetes keeps in the same place internally."""
    context = spec.securityContext or core_v1.PodSecurityContext()
    errors: list[FieldError] = []
    for field in ("fsGroup", "runAsUser", "runAsGroup"):
        errors += _validate_id(getattr(context, field), path.child(field))
    for i, group in enumerate(context.supplementalGroups or ()):
        errors += _validate_id(group, path.child("supplementalGroups").index(i))
    if spec.shareProcessNamespace and spec.hostPID:
        detail = "ShareProcessNamespace and HostPID cannot both be enabled"
        errors.append(invalid(path.child("shareProcessNamespace"), value=True, detail=detail))
    errors += _validate_sysctls(context, spec, path.child("sysctls"))
    errors += _validate_choice(
        context.fsGroupChangePolicy, ("Always", "OnRootMismatch"), path.child("fsGroupChangePolicy")
    )
    errors += _validate_seccomp(context.seccompProfile, path.child("seccompProfile"))
    errors += _validate_apparmor(context.appArmorProfile, path.child("appArmorProfile"))
    errors += _validate_choice(
        context.supplementalGroupsPolicy, ("Merge", "Strict"), path.child("supplementalGroupsPolicy")
    )
    errors += _validate_choice(
        context.seLinuxChangePolicy, ("MountOption", "Recursive"), path.child("seLinuxChangePolicy")
    )
    return errors


def validate_security_context(
    context: core_v1.SecurityContext | None, path: Path, *, host_users: bool
) -> list[FieldError]:
    if context is None:
        return []
    errors: list[FieldError] = []
    for field in ("runAsUser", "runAsGroup"):
        errors += _validate_id(getattr(context, field), path.child(field))
    errors += _validate_choice(context.procMount, ("Default", "Unmasked"), path.child("procMount"))
    if host_users and context.procMount == "Unmasked":
        detail = "`hostUsers` must be false to use `Unmasked`"
        errors.append(invalid(path.child("procMount"), context.procMount, detail))
    errors += _validate_seccomp(context.seccompProfile, path.child("seccompProfile"))
    errors += _validate_escalation(context, path)
    return errors + _validate_apparmor(context.appArmorProfile, path.child("appArmorProfile"))


def validate_host_users(spec: core_v1.PodSpec, path: Path) -> list[FieldError]:
    """A user namespace and the host's other namespaces do not go together. Spelled as upstream spells it."""
    if spec.hostUsers is not False:
        return []
    asked = (
        ("hostNetwork", spec.hostNetwork),
        ("HostPID", spec.hostPID),
        ("HostIPC", spec.hostIPC),
    )
    return [
        forbidden(path.child(field), "when `pod.Spec.HostUsers` is false") for field, given in asked if given
    ]


def _validate_id(number: int | None, path: Path) -> list[FieldError]:
    if number is None:
        return []
    return [invalid(path, number, sentence) for sentence in names.in_range(number, 0, MAX_ID)]


def _validate_choice(value: str | None, supported: tuple[str, ...], path: Path) -> list[FieldError]:
    return [] if value is None or value in supported else [unsupported(path, value, supported)]


def _validate_sysctls(
    context: core_v1.PodSecurityContext, spec: core_v1.PodSpec, path: Path
) -> list[FieldError]:
    errors: list[FieldError] = []
    seen: set[str] = set()
    for i, sysctl in enumerate(context.sysctls or ()):
        where = path.index(i).child("name")
        if not sysctl.name:
            errors.append(required(where))
        elif names.sysctl_name(sysctl.name):
            errors += names.check(where, sysctl.name, names.sysctl_name)
        elif sysctl.name in seen:
            errors.append(duplicate(where, sysctl.name))
        seen.add(sysctl.name)
        # Both spellings are one sysctl: net.ipv4.x and net/ipv4/x (sysctl.d(5)).
        dotted = sysctl.name.replace("/", ".")
        if spec.hostNetwork and dotted.startswith(_NET_SYSCTLS):
            errors.append(invalid(where, sysctl.name, "may not be specified when 'hostNetwork' is true"))
        elif spec.hostIPC and (dotted.startswith(_IPC_SYSCTLS) or dotted == "kernel.sem"):
            errors.append(invalid(where, sysctl.name, "may not be specified when 'hostIPC' is true"))
    return errors


def _validate_seccomp(profile: core_v1.SeccompProfile | None, path: Path) -> list[FieldError]:
    if profile is None:
        return []
    errors: list[FieldError] = []
    if not profile.type:
        errors.append(required(path.child("type"), "type is required when seccompProfile is set"))
    elif profile.type not in _PROFILE_TYPES:
        errors.append(unsupported(path.child("type"), profile.type, _PROFILE_TYPES))
    localhost_path = path.child("localhostProfile")
    localhost = profile.localhostProfile
    if profile.type == "Localhost":
        if localhost is None:
            errors.append(required(localhost_path, "must be set when seccomp type is Localhost"))
        else:
            errors += validate_descending_path(localhost, localhost_path)
    elif localhost is not None:
        # Kubernetes' internal types have no JSON names: Go's own names show.
        shown = {"Type": profile.type, "LocalhostProfile": localhost}
        errors.append(invalid(localhost_path, shown, "can only be set when seccomp type is Localhost"))
    return errors


def _validate_apparmor(profile: core_v1.AppArmorProfile | None, path: Path) -> list[FieldError]:
    if profile is None:
        return []
    localhost_path = path.child("localhostProfile")
    localhost = profile.localhostProfile
    if profile.type == "Localhost":
        return _validate_apparmor_localhost(localhost, localhost_path)
    if not profile.type:
        return [required(path.child("type"), "type is required when appArmorProfile is set")]
    if profile.type not in _PROFILE_TYPES:
        return [unsupported(path.child("type"), profile.type, _PROFILE_TYPES)]
    if localhost is not None:
        return [invalid(localhost_path, localhost, "can only be set when AppArmor type is Localhost")]
    return []


def _validate_apparmor_localhost(profile: str | None, path: Path) -> list[FieldError]:
    if not profile:
        return [required(path, "must be set when AppArmor type is Localhost")]
    errors: list[FieldError] = []
    if profile != profile.strip():
        errors.append(invalid(path, profile, "must not be padded with whitespace"))
    if len(profile.encode()) > MAX_APPARMOR_PROFILE:
        errors.append(too_long(path, MAX_APPARMOR_PROFILE))
    return errors


def _validate_escalation(context: core_v1.SecurityContext, path: Path) -> list[FieldError]:
    if context.allowPrivilegeEscalation is not False:
        return []
    errors: list[FieldError] = []
    shown = _internal_context(context)
    if context.privileged:
        detail = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
        errors.append(invalid(path, shown, detail))
    if "CAP_SYS_ADMIN" in ((context.capabilities.add if context.capabilities else None) or ()):
        detail = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
        errors.append(invalid(path, shown, detail))
    return errors


# Kubernetes' internal types have no JSON names: Go's own names show, in Go's order.
_INTERNAL_CONTEXT = {
    "Capabilities": ("capabilities", {"Add": "add", "Drop": "drop"}),
    "Privileged": ("privileged", None),
    "SELinuxOptions": (
        "seLinuxOptions",
        {"User": "user", "Role": "role", "Type": "type", "Level": "level"},
    ),
    "WindowsOptions": (
        "windowsOptions",
        {
            "GMSACredentialSpecName": "gmsaCredentialSpecName",
            "GMSACredentialSpec": "gmsaCredentialSpec",
            "RunAsUserName": "runAsUserName",
            "HostProcess": "hostProcess",
        },
    ),
    "RunAsUser": ("runAsUser", None),
    "RunAsGroup": ("runAsGroup", None),
    "RunAsNonRoot": ("runAsNonRoot", None),
    "ReadOnlyRootFilesystem": ("readOnlyRootFilesystem", None),
    "AllowPrivilegeEscalation": ("allowPrivilegeEscalation", None),
    "ProcMount": ("procMount", None),
    "SeccompProfile": ("seccompProfile", {"Type": "type", "LocalhostProfile": "localhostProfile"}),
    "AppArmorProfile": ("appArmorProfile", {"Type": "type", "LocalhostProfile": "localhostProfile"}),
}


def _internal_context(context: core_v1.SecurityContext) -> dict[str, object]:
    shown: dict[str, object] = {}
    for name, (field, inner) in _INTERNAL_CONTEXT.items():
        value = getattr(context, field)
        if value is not None and inner is not None:
            # Strings in Go, not pointers: an SELinux option that is absent is empty.
            absent = "" if name == "SELinuxOptions" else None
            value = {
                inner_name: absent if (given := getattr(value, inner_field)) is None else given
                for inner_name, inner_field in inner.items()
            }
        shown[name] = value
    return shown
