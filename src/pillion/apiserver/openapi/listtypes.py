"""How lists and maps of Kubernetes' types merge: what the models do not say.

Two rules live side by side on a field and may differ. Strategic merge patch goes by `x-kubernetes-patch-merge-key` and
`x-kubernetes-patch-strategy` (struct tags `patchMergeKey`, `patchStrategy`); server-side apply goes by
`x-kubernetes-list-type`, `-list-map-keys` and `-map-type` (markers `+listType`, `+listMapKey`, `+mapType`,
`+structType`). All of them are in staging/src/k8s.io/api/*/types.go and apimachinery's meta/v1/types.go.

A list that is not named here is atomic for both; a map or an object that is not named is merged field by field.
Types are called by their model: `core_v1.Container` is `pillion.objects.core_v1.Container`.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from pillion.objects import DictMixin


class ListType(StrEnum):
    """`x-kubernetes-list-type`."""

    ATOMIC = "atomic"
    """Replaced as a whole, owned as a whole."""
    SET = "set"
    """Of scalars, each owned by itself."""
    MAP = "map"
    """Of objects, told apart by their `keys`."""


class ListRule(msgspec.Struct, frozen=True, kw_only=True):
    """How one list merges."""

    type: ListType = ListType.ATOMIC
    keys: tuple[str, ...] = ()
    """Of MAP: the fields of an item that identify it (server-side apply)."""
    merge_key: str = ""
    """The field that identifies an item of a list of objects (strategic merge patch)."""
    strategies: tuple[str, ...] = ()
    """`merge`, `retainKeys`; none: the list is replaced (strategic merge patch)."""


ATOMIC_LIST = ListRule()


def _map(*keys: str, merge_key: str = "", retain: tuple[str, ...] = ()) -> ListRule:
    """A map for both kinds of patch; strategic merge knows one key only, the first."""
    return ListRule(
        type=ListType.MAP, keys=keys, merge_key=merge_key or keys[0], strategies=("merge", *retain)
    )


_RETAIN = ("retainKeys",)
_BY_NAME = _map("name")
_BY_TYPE = _map("type")
_SET = ListRule(type=ListType.SET)
_MERGED_SET = ListRule(type=ListType.SET, strategies=("merge",))

_CONTAINER = {
    "env": _BY_NAME,
    "ports": _map("containerPort", "protocol"),
    "volumeDevices": _map("devicePath"),
    "volumeMounts": _map("mountPath"),
}

_LISTS: dict[str, dict[str, ListRule]] = {
    "meta_v1.ObjectMeta": {"finalizers": _MERGED_SET, "ownerReferences": _map("uid")},
    "core_v1.ComponentStatus": {"conditions": _BY_TYPE},
    "core_v1.Container": _CONTAINER,
    "core_v1.ContainerStatus": {"allocatedResourcesStatus": _BY_NAME, "volumeMounts": _map("mountPath")},
    "core_v1.EphemeralContainer": _CONTAINER,
    "core_v1.NamespaceStatus": {"conditions": _BY_TYPE},
    "core_v1.NodeAllocatableResourceClaimStatus": {"containers": _SET},
    "core_v1.NodeSpec": {"podCIDRs": _MERGED_SET},
    "core_v1.NodeStatus": {"addresses": _BY_TYPE, "conditions": _BY_TYPE},
    "core_v1.PersistentVolumeClaimStatus": {"conditions": _BY_TYPE},
    "core_v1.PodSpec": {
        "containers": _BY_NAME,
        "ephemeralContainers": _BY_NAME,
        "hostAliases": _map("ip"),
        "imagePullSecrets": _BY_NAME,
        "initContainers": _BY_NAME,
        "resourceClaims": _map("name", retain=_RETAIN),
        "schedulingGates": _BY_NAME,
        "topologySpreadConstraints": _map("topologyKey", "whenUnsatisfiable"),
        "volumes": _map("name", retain=_RETAIN),
    },
    "core_v1.PodStatus": {
        "conditions": _BY_TYPE,
        # The kubelet owns it as a whole, although a patch may merge it.
        "hostIPs": ListRule(merge_key="ip", strategies=("merge",)),
        "podIPs": _map("ip"),
        "resourceClaimStatuses": _map("name", retain=_RETAIN),
    },
    "core_v1.ReplicationControllerStatus": {"conditions": _BY_TYPE},
    "core_v1.ResourceRequirements": {"claims": ListRule(type=ListType.MAP, keys=("name",))},
    "core_v1.ResourceStatus": {"resources": ListRule(type=ListType.MAP, keys=("resourceID",))},
    "core_v1.ServiceAccount": {"secrets": _BY_NAME},
    "core_v1.ServiceSpec": {"ports": _map("port", "protocol")},
    "core_v1.ServiceStatus": {"conditions": _BY_TYPE},
    "apps_v1.DaemonSetStatus": {"conditions": _BY_TYPE},
    "apps_v1.DeploymentStatus": {"conditions": _BY_TYPE},
    "apps_v1.ReplicaSetStatus": {"conditions": _BY_TYPE},
    "apps_v1.StatefulSetStatus": {"conditions": _BY_TYPE},
    "autoscaling_v2.HorizontalPodAutoscalerStatus": {"conditions": _BY_TYPE},
    "batch_v1.JobStatus": {"conditions": ListRule(merge_key="type", strategies=("merge",))},
    "batch_v1.PodFailurePolicyOnExitCodesRequirement": {"values": _SET},
    "batch_v1.UncountedTerminatedPods": {"failed": _SET, "succeeded": _SET},
    "discovery_v1.Endpoint": {"addresses": _SET},
    "policy_v1.PodDisruptionBudgetStatus": {"conditions": _BY_TYPE},
    "storage_v1.CSIDriverSpec": {"volumeLifecycleModes": _SET},
    "storage_v1.CSINodeSpec": {"drivers": _BY_NAME},
}

_ATOMIC_MAPS: frozenset[tuple[str, str]] = frozenset(
    {
        ("core_v1.PodSpec", "nodeSelector"),
        ("core_v1.ReplicationControllerSpec", "selector"),
        ("core_v1.ServiceSpec", "selector"),
        ("node_v1.Scheduling", "nodeSelector"),
    }
)

_ATOMIC_OBJECTS: frozenset[str] = frozenset(
    {
        "meta_v1.LabelSelector",
        "meta_v1.OwnerReference",
        *(
            f"core_v1.{name}"
            for name in (
                *("ConfigMapKeySelector", "EndpointAddress", "EndpointPort", "FileKeySelector"),
                *("LocalObjectReference", "NodeSelector", "NodeSelectorTerm", "ObjectFieldSelector"),
                *("ObjectReference", "ResourceFieldSelector", "ScopeSelector", "SecretKeySelector"),
                *("SecretReference", "TopologySelectorTerm", "TypedLocalObjectReference"),
            )
        ),
        "autoscaling_v1.CrossVersionObjectReference",
        "discovery_v1.EndpointPort",
        "networking_v1.ServiceBackendPort",
        "rbac_v1.RoleRef",
        "rbac_v1.Subject",
    }
)

_RETAINED_OBJECTS: frozenset[tuple[str, str]] = frozenset({("apps_v1.DeploymentSpec", "strategy")})

_KEY_DEFAULTS: dict[str, dict[str, str]] = {
    "core_v1.ContainerPort": {"protocol": "TCP"},
    "core_v1.ServicePort": {"protocol": "TCP"},
}


def type_name(model: type[DictMixin]) -> str:
    """`core_v1.Container` of its model."""
    return f"{model.__module__.rpartition('.')[2]}.{model.__name__}"


def list_rule(type_name: str, field: str) -> ListRule:
    """How the list in a field of a type merges."""
    return _LISTS.get(type_name, {}).get(field, ATOMIC_LIST)


def is_atomic_map(type_name: str, field: str) -> bool:
    """Whether a map of scalars is owned as a whole (server-side apply only: a strategic merge goes inside)."""
    return (type_name, field) in _ATOMIC_MAPS


def is_atomic_object(type_name: str) -> bool:
    """Whether objects of this type are owned as a whole (server-side apply only)."""
    return type_name in _ATOMIC_OBJECTS


def object_strategies(type_name: str, field: str) -> tuple[str, ...]:
    """The patch strategies of an object in a field (strategic merge patch only)."""
    return ("retainKeys",) if (type_name, field) in _RETAINED_OBJECTS else ()


def key_defaults(type_name: str) -> dict[str, str]:
    """What an item of a keyed list means by a key it leaves out (`+default` of the key's field)."""
    return _KEY_DEFAULTS.get(type_name, {})
