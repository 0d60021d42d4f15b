"""Kubernetes' own types, from lightkube-models: one class per kind, camelCase as on the wire, all of 1.36.

lightkube-models is written for lightkube, an HTTP client that costs 190 ms and 20 MB to import. All the models
take from it is a base class and a decorator, so they are loaded here under another name, `pillion.objects.schema`,
on a base of our own: mutable `msgspec.Struct`s that omit their defaults. A lightkube in the same process, imported
before or after, keeps its own models. Import the models from here, never from lightkube.
"""

from __future__ import annotations

import importlib
import sys
import types
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING, Any

import msgspec

from pillion.errors import HostError

_PACKAGE = "pillion.objects.schema"


if TYPE_CHECKING:
    from lightkube.core.schema import DictMixin
else:

    class DictMixin(msgspec.Struct, omit_defaults=True):
        """The base of every model."""


def _dataclass(cls: type) -> type:
    return cls


def _field(*, metadata: dict[str, str] | None = None, default: Any = msgspec.NODEFAULT) -> Any:
    return msgspec.field(default=default, name=(metadata or {}).get("json"))


def load_models(module: str) -> types.ModuleType:
    """One module of lightkube.models (`apps_v1`), under our name, without running anything of lightkube."""
    if _PACKAGE not in sys.modules:
        spec = PathFinder.find_spec("lightkube.models", [f"{entry or '.'}/lightkube" for entry in sys.path])
        if spec is None or spec.submodule_search_locations is None:
            raise HostError("cannot import the Kubernetes types: install lightkube-models")
        package = types.ModuleType(_PACKAGE)
        package.__path__ = list(spec.submodule_search_locations)
        schema = types.ModuleType(f"{_PACKAGE}._schema")
        vars(schema).update(DictMixin=DictMixin, dataclass=_dataclass, field=_field)
        sys.modules.update({_PACKAGE: package, f"{_PACKAGE}._schema": schema})
    return importlib.import_module(f"{_PACKAGE}.{module}")


if TYPE_CHECKING:
    from lightkube.models import core_v1, meta_v1
else:
    core_v1 = load_models("core_v1")
    meta_v1 = load_models("meta_v1")

__all__ = ["DictMixin", "core_v1", "load_models", "meta_v1"]
