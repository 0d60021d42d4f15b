"""What the API server accepts and warns of (pkg/api/pod/warnings.go). kubectl prints each as `Warning: …`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pillion.objects.fielderrors import Path
from pillion.objects.models import core_v1, meta_v1
from pillion.objects.qos import amounts
from pillion.objects.validation import names
from pillion.objects.validation.pods import all_containers
from pillion.objects.validation.resources import quantity_text
from pillion.units import quote

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pillion.objects.validation.containers import AnyContainer

_SPEC = Path("spec")
_BYTE_RESOURCES = ("memory", "ephemeral-storage")
_OLD_VOLUMES = {
    "photonPersistentDisk": "deprecated in v1.11, non-functional in v1.16+",
    "gitRepo": "deprecated in v1.11, and disabled by default in v1.33+",
    "scaleIO": "deprecated in v1.16, non-functional in v1.22+",
    "flocker": "deprecated in v1.22, non-functional in v1.25+",
    "storageos": "deprecated in v1.22, non-functional in v1.25+",
    "quobyte": "deprecated in v1.22, non-functional in v1.25+",
    "glusterfs": "deprecated in v1.25, non-functional in v1.26+",
    "cephfs": "deprecated in v1.28, non-functional in v1.31+",
    "rbd": "deprecated in v1.28, non-functional in v1.31+",
}


def warnings(pod: core_v1.Pod) -> list[str]:
    """Sentences about a Pod with its defaults, in Kubernetes' order."""
    meta, spec = pod.metadata or meta_v1.ObjectMeta(), pod.spec or core_v1.PodSpec(containers=[])
    containers = list(all_containers(spec, _SPEC))
    found = _of_name(meta)
    found += _of_volumes(spec.volumes or ())
    found += _repeated([alias.ip for alias in spec.hostAliases or ()], "hostAliases", "ip")
    found += _repeated(
        [secret.name or "" for secret in spec.imagePullSecrets or ()], "imagePullSecrets", "name"
    )
    found += [
        f'{_SPEC.child("imagePullSecrets").index(i).child("name")}: invalid empty name ""'
        for i, secret in enumerate(spec.imagePullSecrets or ())
        if not secret.name
    ]
    found += _fractions(spec.overhead, _SPEC.child("overhead"))
    for container, path in containers:
        resources = container.resources or core_v1.ResourceRequirements()
        found += _fractions(resources.limits, path.child("resources", "limits"))
        found += _fractions(resources.requests, path.child("resources", "requests"))
        found += _hidden_variables(container.env or (), path.child("env"))
    found += _ports(containers)
    if (spec.terminationGracePeriodSeconds or 0) < 0:
        where = _SPEC.child("terminationGracePeriodSeconds")
        found.append(f"{where}: must be >= 0; negative values are invalid and will be treated as 1")
    return found


def _of_name(meta: meta_v1.ObjectMeta) -> list[str]:
    """A pod's name becomes its host name, which has to be a label (pkg/registry/core/pod/strategy.go)."""
    sentences = names.dns_label(meta.name) if meta.name else []
    if not sentences:
        return []
    listed = " ".join(sentences)
    sentence = (
        "this is used in the Pod's hostname, which can result in surprising behavior; "
        f"a DNS label is recommended: [{listed}]"
    )
    return [f"metadata.name: {sentence}"]


def _of_volumes(volumes: Sequence[core_v1.Volume]) -> list[str]:
    found: list[str] = []
    for i, volume in enumerate(volumes):
        for field, sentence in _OLD_VOLUMES.items():
            if getattr(volume, field) is not None:
                shown = "storageOS" if field == "storageos" else field
                found.append(f"{_SPEC.child('volumes').index(i).child(shown)}: {sentence}")
    return found


def _repeated(values: Sequence[str], field: str, item: str) -> list[str]:
    return [
        f"{_SPEC.child(field).index(i).child(item)}: duplicate {item} {quote(value)}"
        for i, value in enumerate(values)
        if value in values[:i]
    ]


def _fractions(quantities: dict[str, str] | None, path: Path) -> list[str]:
    found: list[str] = []
    read = amounts(quantities)
    for name in _BYTE_RESOURCES:
        if name in read and quantities and read[name] != read[name].to_integral_value():
            shown = quote(quantity_text(quantities[name]))
            found.append(f"{path.key(name)}: fractional byte value {shown} is invalid, must be an integer")
    return found


def _hidden_variables(variables: Sequence[core_v1.EnvVar], path: Path) -> list[str]:
    """A later definition wins. It is meant that way when it builds upon the earlier one."""
    found: list[str] = []
    seen: set[str] = set()
    for i, variable in enumerate(variables):
        reference = f"$({variable.name})"
        value = variable.value or ""
        builds_upon = variable.valueFrom is None and reference in value and value != reference
        if variable.name in seen and not builds_upon:
            shown = quote(variable.name)
            found.append(
                f"{path.index(i)}: hides previous definition of {shown}, which may be dropped when using apply"
            )
        seen.add(variable.name)
    return found


def _ports(containers: Sequence[tuple[AnyContainer, Path]]) -> list[str]:
    found: list[str] = []
    seen: dict[tuple[int, str], list[tuple[Path, core_v1.ContainerPort]]] = {}
    for container, path in containers:
        for i, port in enumerate(container.ports or ()):
            here = path.child("ports").index(i)
            others = seen.setdefault((port.containerPort, port.protocol or ""), [])
            for other_path, other in others:
                relation = _relation(port, other)
                if relation:
                    found.append(f"{here}: {relation} port definition with {other_path}")
            others.append((here, port))
    return found


def _relation(port: core_v1.ContainerPort, other: core_v1.ContainerPort) -> str:
    ip, other_ip = port.hostIP or "", other.hostIP or ""
    number, other_number = port.hostPort or 0, other.hostPort or 0
    if (ip, number) == (other_ip, other_number):
        return "duplicate"
    if not number or not other_number:
        return "overlapping"
    if number == other_number and bool(ip) != bool(other_ip):
        return "dangerously ambiguous"
    return ""
