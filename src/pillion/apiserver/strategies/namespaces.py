"""Namespaces (pkg/registry/core/namespace/strategy.go)."""

from __future__ import annotations

from typing import Any

from pillion.apiserver.strategies.generic import Strategy
from pillion.objects.validation import names

Tree = dict[str, Any]


class NamespaceStrategy(Strategy):
    shows_deleted = True
    name_syntax = staticmethod(names.dns_label)

    def prepare_create(self, new: Tree) -> None:
        finalizers = new.setdefault("spec", {}).setdefault("finalizers", [])
        if "kubernetes" not in finalizers:
            finalizers.append("kubernetes")
        new["status"] = {"phase": "Active"}

    def prepare_update(self, new: Tree, old: Tree, subresource: str) -> None:
        super().prepare_update(new, old, subresource)
        if subresource == "":
            new.setdefault("spec", {})["finalizers"] = old.get("spec", {}).get("finalizers", [])
        # The label that names the namespace cannot be lost (core/v1/defaults.go).
        labels = new["metadata"].setdefault("labels", {})
        labels["kubernetes.io/metadata.name"] = new["metadata"]["name"]
