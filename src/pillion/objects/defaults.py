"""What a field means when nobody wrote it. These defaults live here and nowhere else.

Source: pkg/apis/core/v1/defaults.go. What admission adds (service account, tolerations, priority) and what the
API server sets when it stores an object (uid, status) is not here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from pillion.objects.models import core_v1, meta_v1
from pillion.objects.qos import (
    Amounts,
    aggregate_limits,
    aggregate_requests,
    amount_text,
    is_overcommit_allowed,
    is_pod_level_resource,
)
from pillion.units import format_quantity, parse_quantity, quantity_millis

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pillion.objects.models import DictMixin

AnyContainer: TypeAlias = core_v1.Container | core_v1.EphemeralContainer
Model = TypeVar("Model", bound="DictMixin")

GRACE_SECONDS = 30
TERMINATION_MESSAGE_PATH = "/dev/termination-log"
FILE_MODE = 0o644
TOKEN_SECONDS = 3600

# distribution/reference: what an image name looks like. A name that does not is left to the runtime to refuse.
_DOMAIN = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_PATH = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_IMAGE = re.compile(
    rf"(?:{_DOMAIN}(?:\.{_DOMAIN})*(?::[0-9]+)?/)?{_PATH}(?:/{_PATH})*"
    r"(?::(?P<tag>\w[\w.-]{0,127}))?"
    r"(?P<digest>@[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,})?",
    re.ASCII,
)
_BARE_ID = re.compile("[a-f0-9]{64}")


def default(obj: Model) -> Model:
    """Fill in what is absent, in the object itself, which is returned. Doing it twice changes nothing more."""
    match obj:
        case core_v1.Pod():
            _default_pod(obj)
        case core_v1.Secret():
            obj.type = obj.type or "Opaque"
        case core_v1.Namespace():
            _default_namespace(obj)
        case _:
            pass
    return obj


def default_pull_policy(image: str | None) -> str:
    """Always for `latest`, said or meant; a digest means no tag. Nonsense cannot be pulled anyway."""
    match = _IMAGE.fullmatch(image or "")
    if match is None or _BARE_ID.fullmatch(image or ""):
        return "IfNotPresent"
    tag = match["tag"] or ("" if match["digest"] else "latest")
    return "Always" if tag == "latest" else "IfNotPresent"


def _default_namespace(namespace: core_v1.Namespace) -> None:
    meta = namespace.metadata
    if meta is not None and meta.name:
        meta.labels = {**(meta.labels or {}), "kubernetes.io/metadata.name": meta.name}
    if namespace.status is None:
        namespace.status = core_v1.NamespaceStatus()
    namespace.status.phase = namespace.status.phase or "Active"


def _default_pod(pod: core_v1.Pod) -> None:
    if pod.metadata is None:
        pod.metadata = meta_v1.ObjectMeta()
    if pod.spec is None:
        # In Go it is never absent; validation says what it lacks.
        pod.spec = core_v1.PodSpec(containers=[])
    spec = pod.spec
    _canonicalize(spec)
    _default_resources(pod, spec)
    if spec.enableServiceLinks is None:
        spec.enableServiceLinks = True
    spec.dnsPolicy = spec.dnsPolicy or "ClusterFirst"
    spec.restartPolicy = spec.restartPolicy or "Always"
    spec.schedulerName = spec.schedulerName or "default-scheduler"
    if spec.securityContext is None:
        spec.securityContext = core_v1.PodSecurityContext()
    if spec.terminationGracePeriodSeconds is None:
        spec.terminationGracePeriodSeconds = GRACE_SECONDS
    # The older name of the field; both are shown (core/v1 conversion of PodSpec).
    spec.serviceAccountName = spec.serviceAccountName or spec.serviceAccount or None
    spec.serviceAccount = spec.serviceAccountName
    for volume in spec.volumes or ():
        _default_volume(volume)
    for container in _containers(spec):
        _default_container(container)
    if spec.hostNetwork:
        for container in (*spec.containers, *(spec.initContainers or ())):
            for port in container.ports or ():
                port.hostPort = port.hostPort or port.containerPort


def _containers(spec: core_v1.PodSpec) -> Iterator[AnyContainer]:
    yield from spec.initContainers or ()
    yield from spec.containers
    yield from spec.ephemeralContainers or ()


def _default_container(container: AnyContainer) -> None:
    container.imagePullPolicy = container.imagePullPolicy or default_pull_policy(container.image)
    container.terminationMessagePath = container.terminationMessagePath or TERMINATION_MESSAGE_PATH
    container.terminationMessagePolicy = container.terminationMessagePolicy or "File"
    if container.resources is None:
        container.resources = core_v1.ResourceRequirements()
    for port in container.ports or ():
        port.protocol = port.protocol or "TCP"
    for variable in container.env or ():
        if variable.valueFrom is not None:
            _default_references(variable.valueFrom)
    for probe in (container.livenessProbe, container.readinessProbe, container.startupProbe):
        if probe is not None:
            _default_probe(probe)
    if container.lifecycle is not None:
        for hook in (container.lifecycle.postStart, container.lifecycle.preStop):
            if hook is not None:
                _default_http_get(hook.httpGet)


def _default_probe(probe: core_v1.Probe) -> None:
    """Zero is absent here, as in Go; only initialDelaySeconds is good at zero."""
    probe.timeoutSeconds = probe.timeoutSeconds or 1
    probe.periodSeconds = probe.periodSeconds or 10
    probe.successThreshold = probe.successThreshold or 1
    probe.failureThreshold = probe.failureThreshold or 3
    _default_http_get(probe.httpGet)
    if probe.grpc is not None and probe.grpc.service is None:
        probe.grpc.service = ""


def _default_http_get(action: core_v1.HTTPGetAction | None) -> None:
    if action is not None:
        action.path = action.path or "/"
        action.scheme = action.scheme or "HTTP"


def _default_references(source: core_v1.EnvVarSource | core_v1.DownwardAPIVolumeFile) -> None:
    if source.fieldRef is not None:
        source.fieldRef.apiVersion = source.fieldRef.apiVersion or "v1"
    if source.resourceFieldRef is not None:
        divisor = source.resourceFieldRef.divisor
        source.resourceFieldRef.divisor = _canonical(divisor) if divisor else "0"
    if isinstance(source, core_v1.EnvVarSource) and source.fileKeyRef is not None:
        source.fileKeyRef.optional = bool(source.fileKeyRef.optional)


def _default_volume(volume: core_v1.Volume) -> None:
    sources = [field for field in volume.__struct_fields__ if field != "name"]
    if all(getattr(volume, field) is None for field in sources):
        volume.emptyDir = core_v1.EmptyDirVolumeSource()
    if volume.emptyDir is not None and volume.emptyDir.sizeLimit is not None:
        volume.emptyDir.sizeLimit = _canonical(volume.emptyDir.sizeLimit)
    if volume.hostPath is not None and volume.hostPath.type is None:
        volume.hostPath.type = ""
    if volume.image is not None and not volume.image.pullPolicy:
        volume.image.pullPolicy = default_pull_policy(volume.image.reference)
    for source in (volume.configMap, volume.secret, volume.downwardAPI, volume.projected):
        if source is not None and source.defaultMode is None:
            source.defaultMode = FILE_MODE
    files = list(volume.downwardAPI.items or ()) if volume.downwardAPI else []
    for projection in (volume.projected.sources or ()) if volume.projected else ():
        files += (projection.downwardAPI.items or ()) if projection.downwardAPI else ()
        token = projection.serviceAccountToken
        if token is not None and token.expirationSeconds is None:
            token.expirationSeconds = TOKEN_SECONDS
    for file in files:
        _default_references(file)


def _canonicalize(spec: core_v1.PodSpec) -> None:
    """Quantities in Kubernetes' own spelling, rounded up to thousandths: what every reader gets back."""
    spec.overhead = _canonical_list(spec.overhead)
    for resources in (spec.resources, *(container.resources for container in _containers(spec))):
        if resources is not None:
            resources.limits = _canonical_list(resources.limits)
            resources.requests = _canonical_list(resources.requests)


def _canonical_list(quantities: dict[str, str] | None) -> dict[str, str] | None:
    if quantities is None:
        return None
    return {name: _canonical(_rounded_up(text)) for name, text in quantities.items()}


def _canonical(text: str) -> str:
    try:
        return format_quantity(text)
    except ValueError:
        return text


def _rounded_up(text: str) -> str:
    try:
        millis = parse_quantity(text) * 1000
    except ValueError:
        return text
    return text if millis == millis.to_integral_value() else f"{quantity_millis(text)}m"


def _default_resources(pod: core_v1.Pod, spec: core_v1.PodSpec) -> None:
    """A limit is a request where no request is written; the same for the pod as a whole, after its containers."""
    for container in (*spec.containers, *(spec.initContainers or ())):
        if container.resources is not None and container.resources.limits:
            container.resources.requests = {
                **container.resources.limits,
                **(container.resources.requests or {}),
            }
    if spec.resources is None or not (spec.resources.limits or spec.resources.requests):
        return
    _default_pod_huge_pages(pod, spec.resources)
    _default_pod_requests(pod, spec.resources)
    _default_pod_limits(pod, spec, spec.resources)


def _default_pod_huge_pages(pod: core_v1.Pod, resources: core_v1.ResourceRequirements) -> None:
    taken = {*(resources.requests or {}), *(resources.limits or {})}
    missing = {
        name: amount
        for name, amount in aggregate_limits(pod).items()
        if name.startswith("hugepages-") and name not in taken
    }
    if missing:
        resources.limits = {**(resources.limits or {}), **_texts(missing)}


def _default_pod_requests(pod: core_v1.Pod, resources: core_v1.ResourceRequirements) -> None:
    if not resources.limits:
        return
    asked = {
        name: amount
        for name, amount in aggregate_requests(pod).items()
        if is_pod_level_resource(name) and is_overcommit_allowed(name)
    }
    limits = {name: text for name, text in resources.limits.items() if is_pod_level_resource(name)}
    resources.requests = {**limits, **_texts(asked), **(resources.requests or {})} or None


def _default_pod_limits(
    pod: core_v1.Pod, spec: core_v1.PodSpec, resources: core_v1.ResourceRequirements
) -> None:
    """From the containers, for a resource that every one of them limits."""
    if any(is_pod_level_resource(name) for name in resources.limits or ()):
        return
    containers = [*spec.containers, *(spec.initContainers or ())]
    limits = {
        name: amount
        for name, amount in aggregate_limits(pod).items()
        if is_pod_level_resource(name)
        and is_overcommit_allowed(name)
        and all(
            name in ((container.resources and container.resources.limits) or {}) for container in containers
        )
    }
    if limits:
        resources.limits = {**_texts(limits), **(resources.limits or {})}


def _texts(totals: Amounts) -> dict[str, str]:
    return {name: amount_text(name, amount) for name, amount in totals.items()}
