"""Services (pkg/registry/core/service/strategy.go). Their addresses are given by admission."""

from __future__ import annotations

from typing import Any

from pillion.apiserver.decoding import Decoded
from pillion.apiserver.registry import Resource
from pillion.apiserver.strategies.generic import Strategy
from pillion.objects import FieldError
from pillion.objects.fielderrors import Path, invalid, not_supported, required
from pillion.objects.validation import names

Tree = dict[str, Any]

_SERVICE_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_SPEC = Path("spec")


class ServiceStrategy(Strategy):
    shows_deleted = True
    name_syntax = staticmethod(names.dns_label)

    def default(self, new: Tree) -> None:
        _default_service(new)

    def prepare_create(self, new: Tree) -> None:
        new["status"] = {"loadBalancer": {}}

    def prepare_update(self, new: Tree, old: Tree, subresource: str) -> None:
        super().prepare_update(new, old, subresource)
        for field in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
            if field in old.get("spec", {}):
                new["spec"].setdefault(field, old["spec"][field])

    def validate_create(self, resource: Resource, new: Decoded) -> list[FieldError]:
        return super().validate_create(resource, new) + _validate_service(new.tree)

    def validate_update(
        self, resource: Resource, new: Decoded, old: Decoded, subresource: str
    ) -> list[FieldError]:
        return super().validate_update(resource, new, old, subresource) + _validate_service(new.tree)


def _default_service(service: Tree) -> None:
    """core/v1/defaults.go: SetDefaults_Service."""
    spec = service.setdefault("spec", {})
    spec.setdefault("type", "ClusterIP")
    spec.setdefault("sessionAffinity", "None")
    if spec["type"] != "ExternalName":
        spec.setdefault("internalTrafficPolicy", "Cluster")
    for port in spec.get("ports") or ():
        port.setdefault("protocol", "TCP")
        if port.get("targetPort") in (None, "", 0):
            port["targetPort"] = port.get("port")


def _validate_service(service: Tree) -> list[FieldError]:
    spec = service.get("spec", {})
    errors: list[FieldError] = []
    if spec["type"] not in _SERVICE_TYPES:
        errors.append(not_supported(_SPEC.child("type"), spec["type"], _SERVICE_TYPES))
    ports = spec.get("ports") or []
    if not ports and spec.get("clusterIP") != "None" and spec["type"] != "ExternalName":
        errors.append(required(_SPEC.child("ports")))
    for index, port in enumerate(ports):
        path = _SPEC.child("ports").index(index)
        if len(ports) > 1 and not port.get("name"):
            errors.append(required(path.child("name")))
        number = port.get("port") or 0
        errors += [invalid(path.child("port"), number, wrong) for wrong in names.port_number(number)]
    return errors
