# ruff: noqa: ARG002 - a strategy may look at all that its kind could need
"""The life of an object that only has metadata in common with others (apiserver: registry/rest)."""

from __future__ import annotations

from typing import Any

import msgspec

from pillion.apiserver.decoding import Decoded
from pillion.apiserver.registry import Resource
from pillion.objects import DictMixin, FieldError, meta_v1, validate, validate_update
from pillion.objects.fielderrors import Path
from pillion.objects.validation import names
from pillion.objects.validation.metadata import validate_object_meta, validate_object_meta_update

Tree = dict[str, Any]

_METADATA = Path("metadata")


class Strategy:
    """What is special about a kind's objects on their way into the store. This one: nothing.

    The `prepare` methods change the new tree in place: it is theirs.
    """

    creates_on_update = False
    """A PUT of an object that is not there makes it."""
    shows_deleted = False
    """A deletion answers with the object rather than with a Status."""
    name_syntax: names.Syntax = staticmethod(names.dns_subdomain)

    def default(self, new: Tree) -> None:
        """After decoding, before admission: what a field means that nobody wrote."""

    def prepare_create(self, new: Tree) -> None:
        """Before validation: fields that are not the client's to set."""
        new.get("metadata", {}).pop("generation", None)

    def prepare_update(self, new: Tree, old: Tree, subresource: str) -> None:
        """Fields that this way of writing does not reach keep their old value."""
        if subresource == "status":
            _restore(new, old, except_for="status")
        elif "status" in old:
            new["status"] = old["status"]
        else:
            new.pop("status", None)

    def validate_create(self, resource: Resource, new: Decoded) -> list[FieldError]:
        if new.model is not None and _has_rules(new.model):
            return validate(new.model)
        meta = msgspec.convert(new.tree.get("metadata", {}), type=meta_v1.ObjectMeta)
        return validate_object_meta(meta, self.name_syntax, _METADATA, namespaced=resource.namespaced)

    def validate_update(
        self, resource: Resource, new: Decoded, old: Decoded, subresource: str
    ) -> list[FieldError]:
        if new.model is not None and old.model is not None and _has_rules(new.model):
            return validate_update(new.model, old.model)
        before, after = (
            msgspec.convert(side.tree.get("metadata", {}), type=meta_v1.ObjectMeta) for side in (old, new)
        )
        return validate_object_meta_update(after, before, _METADATA)

    def warnings(self, new: Decoded) -> list[str]:
        return []

    def grace_seconds(self, tree: Tree, asked: int | None) -> int | None:
        """How long a deletion takes; None for a kind that knows no grace."""
        return None


def _has_rules(model: DictMixin) -> bool:
    return type(model).__name__ in ("ConfigMap", "Secret", "Namespace", "Pod")


def _restore(new: Tree, old: Tree, *, except_for: str) -> None:
    """Everything but one field, and metadata's labels and annotations, is as it was."""
    for field in {*new, *old} - {except_for, "metadata"}:
        if field in old:
            new[field] = old[field]
        else:
            del new[field]
