"""Which kinds there are: every kind of core/v1, found in the models themselves."""

from __future__ import annotations

from functools import cache

import msgspec

from pillion.objects.models import DictMixin, core_v1


def kind_class(api_version: str, kind: str) -> type[DictMixin] | None:
    """The model of a kind, or None. `List` has none: it is taken apart on reading."""
    return _core_kinds().get(kind) if api_version == "v1" else None


@cache
def _core_kinds() -> dict[str, type[DictMixin]]:
    return {
        name: model
        for name, model in vars(core_v1).items()
        if isinstance(model, type)
        and issubclass(model, DictMixin)
        and {"apiVersion", "kind", "metadata"} <= {field.name for field in msgspec.structs.fields(model)}
    }
