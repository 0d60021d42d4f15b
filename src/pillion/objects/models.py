"""Kubernetes' own types, from lightkube-models: one class per kind, camelCase as on the wire, every field of 1.36.

lightkube-models takes three names from `lightkube.core.schema`. Importing lightkube itself costs an HTTP client (190 ms
and 20 MB here), so when nobody else has imported it, those three names are provided here, with the same meaning:
models are `msgspec.Struct`s that omit their defaults. Import the models from here, never from lightkube directly.
"""

from __future__ import annotations

import importlib.machinery
import sys
import types
from typing import Any

import msgspec


class DictMixin(msgspec.Struct, omit_defaults=True):
    """The base of every model."""


def _dataclass(cls: type) -> type:
    return cls


def _field(*, metadata: dict[str, str] | None = None, default: Any = msgspec.NODEFAULT) -> Any:
    return msgspec.field(default=default, name=(metadata or {}).get("json"))


def _provide_schema() -> None:
    """Let `import lightkube.models` work without running lightkube's own `__init__`."""
    spec = importlib.machinery.PathFinder.find_spec("lightkube")
    package = types.ModuleType("lightkube")
    package.__path__ = list(spec.submodule_search_locations or []) if spec else []
    core = types.ModuleType("lightkube.core")
    core.__path__ = []
    schema = types.ModuleType("lightkube.core.schema")
    vars(schema).update(DictMixin=DictMixin, dataclass=_dataclass, field=_field)
    provided = {"lightkube": package, "lightkube.core": core, "lightkube.core.schema": schema}
    sys.modules.update(provided)
    try:
        import lightkube.models.core_v1
        import lightkube.models.meta_v1  # noqa: F401
    finally:
        # A later `import lightkube` of the user's must find the real package; the models stay loaded.
        for name in provided:
            sys.modules.pop(name, None)


if "lightkube" not in sys.modules:
    _provide_schema()

from lightkube.models import core_v1, meta_v1  # noqa: E402

__all__ = ["core_v1", "meta_v1"]
