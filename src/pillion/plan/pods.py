"""Reading a Pod that has passed defaulting and validation: what is certain to be there, without `None`."""

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

from pillion.errors import Bug
from pillion.objects.models import core_v1, meta_v1
from pillion.plan.podplan import Role

AnyContainer: TypeAlias = core_v1.Container | core_v1.EphemeralContainer
"""Ephemeral containers have the same fields, though not the same class."""


class PodIdentity(NamedTuple):
    uid: str
    namespace: str
    name: str

    def __str__(self) -> str:
        """As the kubelet names a pod in messages (pkg/kubelet/util/format/pod.go: Pod)."""
        return f"{self.name}_{self.namespace}({self.uid})"


def spec_of(pod: core_v1.Pod) -> core_v1.PodSpec:
    if pod.spec is None:
        raise Bug("cannot read a Pod without a spec: it was not validated")
    return pod.spec


def metadata_of(pod: core_v1.Pod) -> meta_v1.ObjectMeta:
    if pod.metadata is None:
        raise Bug("cannot read a Pod without metadata: it was not validated")
    return pod.metadata


def identity_of(pod: core_v1.Pod) -> PodIdentity:
    metadata = metadata_of(pod)
    if metadata.uid is None or metadata.namespace is None or metadata.name is None:
        raise Bug(f"cannot plan pod {metadata.name!r}: it needs a name, a namespace and a uid")
    return PodIdentity(metadata.uid, metadata.namespace, metadata.name)


def role_of_init(container: core_v1.Container) -> Role:
    """A sidecar is a restartable init container (pkg/api/v1/pod/util.go: IsRestartableInitContainer)."""
    return Role.SIDECAR if container.restartPolicy == "Always" else Role.INIT


def containers_of(pod: core_v1.Pod) -> Iterator[tuple[Role, AnyContainer]]:
    """Every container of the spec: inits and sidecars, then mains, then ephemeral containers."""
    spec = spec_of(pod)
    for init in spec.initContainers or ():
        yield role_of_init(init), init
    for main in spec.containers:
        yield Role.MAIN, main
    for ephemeral in spec.ephemeralContainers or ():
        yield Role.EPHEMERAL, ephemeral


def container_named(pod: core_v1.Pod, name: str) -> AnyContainer | None:
    return next((c for _, c in containers_of(pod) if c.name == name), None)
