"""Kinds that pillion keeps for others and does little with: RuntimeClasses, ServiceAccounts, Events, Leases."""

from __future__ import annotations

from pillion.apiserver.decoding import Decoded
from pillion.apiserver.registry import Resource
from pillion.apiserver.strategies.generic import Strategy
from pillion.objects import FieldError
from pillion.objects.fielderrors import Path, required


class RuntimeClassStrategy(Strategy):
    def validate_create(self, resource: Resource, new: Decoded) -> list[FieldError]:
        errors = super().validate_create(resource, new)
        if not new.tree.get("handler"):
            errors.append(required(Path("handler")))
        return errors


class ShownWhenDeleted(Strategy):
    """ServiceAccounts."""

    shows_deleted = True


class MadeByUpdate(Strategy):
    """Events and Leases: their writers use PUT for both."""

    creates_on_update = True
