"""The variables through which a container finds the Services of its namespace."""

from collections.abc import Iterable

from pillion.objects.models import core_v1
from pillion.plan.pods import metadata_of, spec_of


def service_variables(pod: core_v1.Pod, services: Iterable[core_v1.Service]) -> tuple[tuple[str, str], ...]:
    """Of default/kubernetes always; of the pod's own namespace unless `enableServiceLinks` is false.

    kubelet_pods.go: getServiceEnvVarMap; pkg/kubelet/envvars/envvars.go: FromServices.
    """
    links = spec_of(pod).enableServiceLinks is not False
    namespace = metadata_of(pod).namespace
    chosen: dict[str, core_v1.Service] = {}
    for service in services:
        if service.metadata is None or service.spec is None:
            continue
        name, place = service.metadata.name or "", service.metadata.namespace
        if service.spec.clusterIP in {None, "", "None"}:
            continue
        if place == "default" and name == "kubernetes":
            chosen.setdefault(name, service)
        elif place == namespace and links:
            chosen[name] = service
    return tuple(pair for name, service in chosen.items() for pair in _variables(name, service))


def _variables(name: str, service: core_v1.Service) -> Iterable[tuple[str, str]]:
    spec = service.spec
    if spec is None or not spec.ports:
        return
    prefix, address = _variable_name(name), spec.clusterIP or ""
    yield f"{prefix}_SERVICE_HOST", address
    yield f"{prefix}_SERVICE_PORT", str(spec.ports[0].port)
    for port in spec.ports:
        if port.name:
            yield f"{prefix}_SERVICE_PORT_{_variable_name(port.name)}", str(port.port)
    host = f"[{address}]" if ":" in address else address
    for index, port in enumerate(spec.ports):
        protocol = port.protocol or "TCP"
        url = f"{protocol.lower()}://{host}:{port.port}"
        if index == 0:
            yield f"{prefix}_PORT", url
        link = f"{prefix}_PORT_{port.port}_{protocol.upper()}"
        yield link, url
        yield f"{link}_PROTO", protocol.lower()
        yield f"{link}_PORT", str(port.port)
        yield f"{link}_ADDR", address


def _variable_name(name: str) -> str:
    return name.upper().replace("-", "_")
