"""Who a container's first process is: the Pod's security contexts, the image's USER, the image's passwd and group.

kuberuntime/security_context.go: determineEffectiveSecurityContext and verifyRunAsNonRoot, then containerd's
containerSpecOpts and oci.WithUser. The group in an image's `USER user:group` has no effect in Kubernetes: the
kubelet hands the user on alone (containerd issue 11607).
"""

from collections.abc import Sequence

from pillion.objects.models import core_v1
from pillion.plan.containerspec import GroupEntry, Identity, ImageConfig, PasswdEntry
from pillion.plan.pods import AnyContainer, identity_of, spec_of
from pillion.plan.references import CREATE_ERROR, ConfigError

_MAX_ID = (1 << 31) - 1


def resolve_identity(pod: core_v1.Pod, container: AnyContainer, image: ImageConfig) -> Identity:
    """Raises ConfigError: the non-root policy is broken, or the image names a user it does not have."""
    for_pod = spec_of(pod).securityContext or core_v1.PodSecurityContext()
    own = container.securityContext or core_v1.SecurityContext()
    wanted_uid = own.runAsUser if own.runAsUser is not None else for_pod.runAsUser
    wanted_gid = own.runAsGroup if own.runAsGroup is not None else for_pod.runAsGroup
    must_not_be_root = own.runAsNonRoot if own.runAsNonRoot is not None else for_pod.runAsNonRoot
    image_user = image.user.partition(":")[0] or "0"
    if must_not_be_root:
        _verify_non_root(pod, container, wanted_uid, image_user)

    user = _find_user(str(wanted_uid) if wanted_uid is not None else image_user, image.passwd)
    groups = set(for_pod.supplementalGroups or ())
    if for_pod.fsGroup is not None:
        groups.add(for_pod.fsGroup)
    if user.name and for_pod.supplementalGroupsPolicy != "Strict":
        groups |= _groups_in_image(user.name, image.groups)
    gid = wanted_gid if wanted_gid is not None else user.gid
    return Identity(uid=user.uid, gid=gid, groups=tuple(sorted(groups - {gid})))


def _verify_non_root(
    pod: core_v1.Pod, container: AnyContainer, wanted_uid: int | None, image_user: str
) -> None:
    where = f'(pod: "{identity_of(pod)}", container: {container.name})'
    if wanted_uid == 0:
        raise ConfigError(f"container's runAsUser breaks non-root policy {where}")
    if wanted_uid is not None:
        return
    image_uid = _as_id(image_user)
    if image_uid == 0:
        raise ConfigError(f"container has runAsNonRoot and image will run as root {where}")
    if image_uid is None:
        raise ConfigError(
            f"container has runAsNonRoot and image has non-numeric user ({image_user}), "
            f"cannot verify user is non-root {where}"
        )


def _find_user(user: str, passwd: Sequence[PasswdEntry]) -> PasswdEntry:
    """A number needs no entry in passwd: its group is then 0. A name does. Raises ConfigError."""
    uid = _as_id(user)
    for entry in passwd:
        if entry.uid == uid if uid is not None else entry.name == user:
            return entry
    if uid is None:
        raise ConfigError("failed to create containerd container: no users found", CREATE_ERROR)
    return PasswdEntry(name="", uid=uid, gid=0, home="/")


def _groups_in_image(user: str, groups: Sequence[GroupEntry]) -> set[int]:
    """The groups that list the user. One of the user's own name is the primary group, not a supplemental one."""
    return {group.gid for group in groups if user in group.members and group.name != user}


def _as_id(text: str) -> int | None:
    if not (text.isascii() and text.isdigit()):
        return None
    return int(text) if int(text) <= _MAX_ID else None
