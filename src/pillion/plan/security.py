"""What a container may do: the Pod's and its own security context, the container's word over the pod's.

kuberuntime/security_context.go and pkg/securitycontext/util.go: DetermineEffectiveSecurityContext.
"""

from pillion.objects.models import core_v1
from pillion.plan.containerspec import Seccomp, Security
from pillion.plan.pods import AnyContainer, spec_of


def resolve_security(pod: core_v1.Pod, container: AnyContainer) -> Security:
    for_pod = spec_of(pod).securityContext or core_v1.PodSecurityContext()
    own = container.securityContext or core_v1.SecurityContext()
    capabilities = own.capabilities or core_v1.Capabilities()
    return Security(
        privileged=bool(own.privileged),
        add_capabilities=tuple(capabilities.add or ()),
        drop_capabilities=tuple(capabilities.drop or ()),
        # Unset leaves escalation allowed (pkg/securitycontext/util.go: AddNoNewPrivileges).
        no_new_privileges=own.allowPrivilegeEscalation is False,
        read_only_root=bool(own.readOnlyRootFilesystem),
        unmasked_proc=own.procMount == "Unmasked",
        seccomp=_seccomp(own.seccompProfile or for_pod.seccompProfile, is_privileged=bool(own.privileged)),
        apparmor=_apparmor(own.appArmorProfile or for_pod.appArmorProfile),
    )


def _seccomp(profile: core_v1.SeccompProfile | None, *, is_privileged: bool) -> Seccomp:
    """Unconfined by default: the kubelet's seccompDefault is off. containerd confines no privileged container."""
    if profile is None or is_privileged:
        return Seccomp()
    return Seccomp(type=profile.type, localhost_profile=profile.localhostProfile)


def _apparmor(profile: core_v1.AppArmorProfile | None) -> str | None:
    """As the annotations of old spelled it: `runtime/default`, `unconfined`, `localhost/NAME`; None: not said."""
    if profile is None:
        return None
    if profile.type == "Localhost":
        return f"localhost/{profile.localhostProfile}"
    return "runtime/default" if profile.type == "RuntimeDefault" else "unconfined"
