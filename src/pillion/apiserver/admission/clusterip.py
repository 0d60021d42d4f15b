"""Addresses of Services. In Kubernetes the Service registry gives them out (registry/core/service/storage/alloc.go).

Nothing answers at a Service's address yet, but for that of default/kubernetes (`network.services`); its variables are
in every container all the same.
"""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Callable
from typing import Any

import msgspec

from pillion.apiserver import statuses
from pillion.apiserver.admission.chain import with_spec
from pillion.apiserver.seams import AdmissionRequest
from pillion.objects.fielderrors import Path, invalid
from pillion.store import Store

Tree = dict[str, Any]

SERVICE_NETWORK = ipaddress.IPv4Network("10.96.0.0/12")
"""kubeadm's default."""
KUBERNETES_IP = str(SERVICE_NETWORK[1])
"""Of default/kubernetes: the first address (pkg/controlplane)."""
NODE_PORTS = range(30000, 32768)
_ATTEMPTS = 1000
_random = random.SystemRandom()


class ClusterIps:
    def __init__(self, store: Store, choose: Callable[[int], int] = _random.randrange) -> None:
        self._store = store
        self._choose = choose

    async def admit(self, request: AdmissionRequest) -> Tree | None:
        tree = request.object
        if request.resource.storage != "services" or request.subresource or tree is None:
            return tree
        spec = tree.get("spec", {})
        if spec.get("type") == "ExternalName":
            return tree
        own = f"{request.namespace}/{request.name}"
        ip = spec.get("clusterIP") or (request.old or {}).get("spec", {}).get("clusterIP") or self._free_ip()
        if ip not in ("None", KUBERNETES_IP) and self._holders("clusterIP").get(ip, own) != own:
            error = invalid(
                Path("spec").child("clusterIPs"),
                [ip],
                f"failed to allocate IP {ip}: provided IP is already allocated",
            )
            raise statuses.invalid("Service", request.name, [error])
        changes: Tree = {"clusterIP": ip, "clusterIPs": [ip]}
        changes["ipFamilies"] = spec.get("ipFamilies") or ["IPv4"]
        changes["ipFamilyPolicy"] = spec.get("ipFamilyPolicy") or "SingleStack"
        if spec.get("type") in ("NodePort", "LoadBalancer"):
            changes["ports"] = self._with_node_ports(spec.get("ports") or [])
        return with_spec(tree, **changes)

    def _free_ip(self) -> str:
        taken = self._holders("clusterIP")
        for _ in range(_ATTEMPTS):
            # Neither the network's own address, nor the first (default/kubernetes), nor the broadcast address.
            ip = str(SERVICE_NETWORK[2 + self._choose(SERVICE_NETWORK.num_addresses - 3)])
            if ip not in taken:
                return ip
        raise statuses.internal_error("failed to allocate a serviceIP: range is full")

    def _with_node_ports(self, ports: list[Tree]) -> list[Tree]:
        taken = {port.get("nodePort") for spec in self._specs().values() for port in spec.get("ports") or ()}
        given = []
        for port in ports:
            number = port.get("nodePort")
            if not number:
                number = next(n for n in self._shuffled_ports() if n not in taken)
            taken.add(number)
            given.append({**port, "nodePort": number})
        return given

    def _shuffled_ports(self) -> list[int]:
        start = self._choose(len(NODE_PORTS))
        return [*NODE_PORTS[start:], *NODE_PORTS[:start]]

    def _holders(self, field: str) -> dict[str, str]:
        return {spec[field]: own for own, spec in self._specs().items() if spec.get(field)}

    def _specs(self) -> dict[str, Tree]:
        return {
            f"{item.key.namespace}/{item.key.name}": msgspec.json.decode(item.value).get("spec", {})
            for item in self._store.list("services").items
        }
