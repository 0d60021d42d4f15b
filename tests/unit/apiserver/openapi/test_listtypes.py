"""The table of list types names real fields, and says what Kubernetes' types.go says."""

from __future__ import annotations

import pytest

from pillion.apiserver.openapi import listtypes
from pillion.apiserver.openapi.listtypes import ListType, list_rule, type_name
from pillion.objects import DictMixin, core_v1, load_models
from pillion.objects.shapes import ListOf, MapOf, ObjectOf, model_fields


def model(name: str) -> type[DictMixin]:
    module, _, kind = name.partition(".")
    return getattr(load_models(module), kind)  # type: ignore[no-any-return]


def test_every_list_of_the_table_is_a_list_and_its_keys_are_fields_of_its_items() -> None:
    for name, lists in listtypes._LISTS.items():
        for field, rule in lists.items():
            shape = model_fields(model(name))[field].shape
            assert isinstance(shape, ListOf), f"{name}.{field}"
            keys = {*rule.keys, *([rule.merge_key] if rule.merge_key else [])}
            if keys:
                assert isinstance(shape.item, ObjectOf)
                assert keys <= model_fields(shape.item.model).keys(), f"{name}.{field}"
            assert (rule.type is ListType.MAP) == bool(rule.keys)


def test_every_other_entry_of_the_table_is_what_it_says() -> None:
    assert all(isinstance(model_fields(model(n))[f].shape, MapOf) for n, f in listtypes._ATOMIC_MAPS)
    assert all(isinstance(model_fields(model(n))[f].shape, ObjectOf) for n, f in listtypes._RETAINED_OBJECTS)
    assert all(issubclass(model(name), DictMixin) for name in listtypes._ATOMIC_OBJECTS)
    assert all(set(d) <= model_fields(model(name)).keys() for name, d in listtypes._KEY_DEFAULTS.items())


# From the struct tags and markers of core/v1/types.go and meta/v1/types.go.
_SPREAD = ("topologyKey", "whenUnsatisfiable")
ROWS = [
    ("core_v1.PodSpec", "containers", "map", ("name",), "name", ("merge",)),
    ("core_v1.PodSpec", "volumes", "map", ("name",), "name", ("merge", "retainKeys")),
    ("core_v1.PodSpec", "tolerations", "atomic", (), "", ()),
    ("core_v1.PodSpec", "topologySpreadConstraints", "map", _SPREAD, "topologyKey", ("merge",)),
    ("core_v1.Container", "ports", "map", ("containerPort", "protocol"), "containerPort", ("merge",)),
    ("core_v1.Container", "args", "atomic", (), "", ()),
    ("core_v1.EphemeralContainer", "volumeMounts", "map", ("mountPath",), "mountPath", ("merge",)),
    ("core_v1.PodStatus", "hostIPs", "atomic", (), "ip", ("merge",)),
    ("core_v1.ServiceSpec", "ports", "map", ("port", "protocol"), "port", ("merge",)),
    ("core_v1.ServiceAccount", "imagePullSecrets", "atomic", (), "", ()),
    ("meta_v1.ObjectMeta", "finalizers", "set", (), "", ("merge",)),
    ("meta_v1.ObjectMeta", "ownerReferences", "map", ("uid",), "uid", ("merge",)),
    ("meta_v1.ObjectMeta", "managedFields", "atomic", (), "", ()),
]  # fmt: skip


@pytest.mark.parametrize(("name", "field", "kind", "keys", "merge_key", "strategies"), ROWS)
def test_a_list_merges_as_kubernetes_says(
    name: str, field: str, kind: str, keys: tuple[str, ...], merge_key: str, strategies: tuple[str, ...]
) -> None:
    rule = list_rule(name, field)
    assert (rule.type, rule.keys, rule.merge_key, rule.strategies) == (kind, keys, merge_key, strategies)


def test_a_type_is_called_by_its_model() -> None:
    assert type_name(core_v1.Container) == "core_v1.Container"
