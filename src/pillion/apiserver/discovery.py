"""What there is: group lists, resource lists, and all of it in one document (aggregated discovery, v2)."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from pillion.apiserver.negotiation import Form, Format
from pillion.apiserver.registry import Registry, Resource, Service

Tree = dict[str, Any]


class Discovery:
    """The documents. They never change while the server runs, so each is built once."""

    def __init__(self, registry: Registry, address: str = "") -> None:
        self._registry = registry
        self._address = address
        self._documents: dict[tuple[str, Form], bytes | None] = {}

    def document(self, path: str, format_: Format) -> bytes | None:
        """The JSON for a path such as `/apis/apps/v1`; None when there is no such path."""
        key = (path.rstrip("/"), format_.form)
        if key not in self._documents:
            if len(self._documents) > 1000:  # paths are the client's to invent
                self._documents.clear()
            tree = self._build(*key)
            self._documents[key] = None if tree is None else msgspec.json.encode(tree) + b"\n"
        return self._documents[key]

    def _build(self, path: str, form: Form) -> Tree | None:
        match path.strip("/").split("/"):
            case ["api"]:
                return self._aggregated([""]) if form is Form.DISCOVERY else self._core_versions()
            case ["apis"]:
                groups = [group for group in self._registry.groups() if group]
                if form is Form.DISCOVERY:
                    return self._aggregated(groups)
                listed = [self._group(group) for group in groups]
                return {"kind": "APIGroupList", "apiVersion": "v1", "groups": listed}
            case ["api", version]:
                return self._resources("", version)
            case ["apis", group] if self._registry.versions(group):
                return {"kind": "APIGroup", "apiVersion": "v1", **self._group(group)}
            case ["apis", group, version]:
                return self._resources(group, version)
            case _:
                return None

    def _core_versions(self) -> Tree:
        return {
            "kind": "APIVersions",
            "versions": list(self._registry.versions("")),
            "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": self._address}],
        }

    def _group(self, group: str) -> Tree:
        versions = [
            {"groupVersion": f"{group}/{version}", "version": version}
            for version in self._registry.versions(group)
        ]
        return {"name": group, "versions": versions, "preferredVersion": versions[0]}

    def _resources(self, group: str, version: str) -> Tree | None:
        resources = self._registry.of_version(group, version)
        if not resources:
            return None
        listed: list[Tree] = []
        for resource in sorted(resources, key=lambda known: known.plural):
            listed.append(_listed(resource))
            for subresource in resource.subresources:
                entry: Tree = {
                    "name": f"{resource.plural}/{subresource.name}",
                    "singularName": "",
                    "namespaced": resource.namespaced,
                    "kind": subresource.kind,
                    "verbs": list(subresource.verbs),
                }
                if subresource.version:
                    entry |= {"group": subresource.group, "version": subresource.version}
                listed.append(entry)
        return {
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": f"{group}/{version}" if group else version,
            "resources": listed,
        }

    def _aggregated(self, groups: list[str]) -> Tree:
        return {
            "kind": "APIGroupDiscoveryList",
            "apiVersion": "apidiscovery.k8s.io/v2",
            "metadata": {},
            "items": [
                {
                    "metadata": {"name": group, "creationTimestamp": None}
                    if group
                    else {"creationTimestamp": None},
                    "versions": [
                        {
                            "version": version,
                            "resources": [
                                _aggregated_resource(resource)
                                for resource in sorted(
                                    self._registry.of_version(group, version), key=lambda known: known.plural
                                )
                            ],
                            "freshness": "Current",
                        }
                        for version in self._registry.versions(group)
                    ],
                }
                for group in groups
            ],
        }


def etag(document: bytes) -> str:
    return f'"{hashlib.sha512(document).hexdigest().upper()}"'


def _singular(resource: Resource) -> str:
    # The metrics API has none, so that `pod` stays the core one.
    return "" if resource.service is Service.COMPUTED and "get" in resource.verbs else resource.singular


def _listed(resource: Resource) -> Tree:
    entry: Tree = {
        "name": resource.plural,
        "singularName": _singular(resource),
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    return entry


def _aggregated_resource(resource: Resource) -> Tree:
    entry: Tree = {
        "resource": resource.plural,
        "responseKind": {"group": resource.group, "version": resource.version, "kind": resource.kind},
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": _singular(resource),
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    if resource.subresources:
        entry["subresources"] = [
            {
                "subresource": known.name,
                "responseKind": {
                    "group": known.group if known.version else resource.group,
                    "version": known.version or resource.version,
                    "kind": known.kind,
                },
                "verbs": list(known.verbs),
            }
            for known in resource.subresources
        ]
    return entry
