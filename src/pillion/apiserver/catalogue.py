"""The kinds pillion serves. Names, short names and categories are Kubernetes' (kubectl api-resources, 1.36)."""

from __future__ import annotations

from pillion.apiserver.registry import ALL_VERBS, READ, Registry, Resource, Service, Subresource

_STATUS_VERBS = ("get", "patch", "update")


def build_registry() -> Registry:
    """Every resource: core first, then the groups in the order of their priority."""
    return Registry(
        (*_core(), *_events(), *_stored_elsewhere(), *_reviews(), *_metrics(), *_empty_core(), *_empty())
    )


def _resource(
    kind: str,
    plural: str = "",
    *,
    group: str = "",
    version: str = "v1",
    short: str = "",
    categories: tuple[str, ...] = (),
    namespaced: bool = True,
    verbs: tuple[str, ...] = ALL_VERBS,
    subresources: tuple[Subresource, ...] = (),
    service: Service = Service.STORED,
    storage: str = "",
) -> Resource:
    singular = kind.lower()
    plural = plural or f"{singular}s"
    return Resource(
        group=group,
        version=version,
        plural=plural,
        singular=singular,
        kind=kind,
        list_kind=f"{kind}List",
        namespaced=namespaced,
        short_names=tuple(short.split()),
        categories=categories,
        verbs=verbs,
        subresources=subresources,
        service=service,
        storage=storage or (f"{plural}.{group}" if group else plural),
    )


def _status(kind: str) -> Subresource:
    return Subresource(name="status", verbs=_STATUS_VERBS, kind=kind)


def _core() -> tuple[Resource, ...]:
    return (
        _resource(
            "Binding",
            verbs=("create",),
            service=Service.COMPUTED,
        ),
        _resource("ConfigMap", short="cm"),
        _resource("Event", short="ev"),
        _resource(
            "Namespace",
            namespaced=False,
            short="ns",
            verbs=tuple(verb for verb in ALL_VERBS if verb != "deletecollection"),
            subresources=(
                Subresource(name="finalize", verbs=("update",), kind="Namespace"),
                _status("Namespace"),
            ),
        ),
        _resource(
            "Node",
            namespaced=False,
            short="no",
            subresources=(
                Subresource(name="proxy", verbs=_PROXY_VERBS, kind="NodeProxyOptions"),
                _status("Node"),
            ),
        ),
        _resource("Pod", short="po", categories=("all",), subresources=_pod_subresources()),
        _resource("Secret"),
        _resource(
            "ServiceAccount",
            short="sa",
            subresources=(
                Subresource(
                    name="token",
                    verbs=("create",),
                    kind="TokenRequest",
                    group="authentication.k8s.io",
                    version="v1",
                ),
            ),
        ),
        _resource("Service", short="svc", categories=("all",), subresources=(_status("Service"),)),
    )


_PROXY_VERBS = ("create", "delete", "get", "patch", "update")


def _pod_subresources() -> tuple[Subresource, ...]:
    return (
        Subresource(name="attach", verbs=("create", "get"), kind="PodAttachOptions"),
        Subresource(name="binding", verbs=("create",), kind="Binding"),
        Subresource(name="ephemeralcontainers", verbs=_STATUS_VERBS, kind="Pod"),
        Subresource(name="eviction", verbs=("create",), kind="Eviction", group="policy", version="v1"),
        Subresource(name="exec", verbs=("create", "get"), kind="PodExecOptions"),
        Subresource(name="log", verbs=("get",), kind="Pod"),
        Subresource(name="portforward", verbs=("create", "get"), kind="PodPortForwardOptions"),
        Subresource(name="proxy", verbs=_PROXY_VERBS, kind="PodProxyOptions"),
        Subresource(name="resize", verbs=_STATUS_VERBS, kind="Pod"),
        _status("Pod"),
    )


def _events() -> tuple[Resource, ...]:
    return (_resource("Event", group="events.k8s.io", short="ev", storage="events"),)


def _stored_elsewhere() -> tuple[Resource, ...]:
    return (
        _resource("Lease", group="coordination.k8s.io"),
        _resource("RuntimeClass", "runtimeclasses", group="node.k8s.io", namespaced=False),
    )


def _reviews() -> tuple[Resource, ...]:
    def review(kind: str, group: str, *, namespaced: bool = False) -> Resource:
        return _resource(
            kind, group=group, namespaced=namespaced, verbs=("create",), service=Service.COMPUTED
        )

    return (
        review("SelfSubjectReview", "authentication.k8s.io"),
        review("TokenReview", "authentication.k8s.io"),
        review("LocalSubjectAccessReview", "authorization.k8s.io", namespaced=True),
        review("SelfSubjectAccessReview", "authorization.k8s.io"),
        review("SelfSubjectRulesReview", "authorization.k8s.io"),
        review("SubjectAccessReview", "authorization.k8s.io"),
    )


def _metrics() -> tuple[Resource, ...]:
    """`kubectl top` (the metrics API has these two, without watch)."""
    measured = {"group": "metrics.k8s.io", "version": "v1beta1", "verbs": ("get", "list")}
    return (
        _resource("NodeMetrics", "nodes", namespaced=False, service=Service.COMPUTED, **measured),  # type: ignore[arg-type]
        _resource("PodMetrics", "pods", service=Service.COMPUTED, **measured),  # type: ignore[arg-type]
    )


def _unrun(kind: str, plural: str = "", **names: object) -> Resource:
    return _resource(kind, plural, verbs=READ, service=Service.EMPTY, **names)  # type: ignore[arg-type]


def _empty_core() -> tuple[Resource, ...]:
    return (
        _resource("ComponentStatus", "componentstatuses", namespaced=False, short="cs", verbs=("get", "list"),
                  service=Service.EMPTY),
        _unrun("Endpoints", "endpoints", short="ep"),
        _unrun("LimitRange", short="limits"),
        _unrun("PersistentVolumeClaim", short="pvc"),
        _unrun("PersistentVolume", short="pv", namespaced=False),
        _unrun("PodTemplate"),
        _unrun("ReplicationController", short="rc", categories=("all",)),
        _unrun("ResourceQuota", short="quota"),
    )  # fmt: skip


def _empty() -> tuple[Resource, ...]:
    running = ("all",)
    return (
        _unrun("ControllerRevision", group="apps"),
        _unrun("DaemonSet", group="apps", short="ds", categories=running),
        _unrun("Deployment", group="apps", short="deploy", categories=running),
        _unrun("ReplicaSet", group="apps", short="rs", categories=running),
        _unrun("StatefulSet", group="apps", short="sts", categories=running),
        _unrun("HorizontalPodAutoscaler", group="autoscaling", version="v2", short="hpa", categories=running),
        _unrun("HorizontalPodAutoscaler", group="autoscaling", version="v1", short="hpa", categories=running),
        _unrun("CronJob", group="batch", short="cj", categories=running),
        _unrun("Job", group="batch", categories=running),
        _unrun("EndpointSlice", group="discovery.k8s.io"),
        _unrun("IngressClass", "ingressclasses", group="networking.k8s.io", namespaced=False),
        _unrun("Ingress", "ingresses", group="networking.k8s.io", short="ing"),
        _unrun("NetworkPolicy", "networkpolicies", group="networking.k8s.io", short="netpol"),
        _unrun("PodDisruptionBudget", group="policy", short="pdb"),
        _unrun("ClusterRoleBinding", group="rbac.authorization.k8s.io", namespaced=False),
        _unrun("ClusterRole", group="rbac.authorization.k8s.io", namespaced=False),
        _unrun("RoleBinding", group="rbac.authorization.k8s.io"),
        _unrun("Role", group="rbac.authorization.k8s.io"),
        _unrun("PriorityClass", "priorityclasses", group="scheduling.k8s.io", short="pc", namespaced=False),
        _unrun("CSIDriver", group="storage.k8s.io", namespaced=False),
        _unrun("CSINode", group="storage.k8s.io", namespaced=False),
        _unrun("StorageClass", "storageclasses", group="storage.k8s.io", short="sc", namespaced=False),
        _unrun("VolumeAttachment", group="storage.k8s.io", namespaced=False),
    )
