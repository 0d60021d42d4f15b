"""Laws of patches and of field ownership, for objects and patches at random."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.apiserver.patching.builders import NOW, POD, Tree, owned, pod, unowned

from pillion.apiserver.patching import PatchContext, PatchError, PatchType, apply_patch, track
from pillion.apiserver.patching.comparison import compare, fields_of
from pillion.apiserver.patching.fieldset import (
    FieldSet,
    difference,
    intersection,
    parse_fields,
    paths,
    union,
    without_branches,
)
from pillion.apiserver.patching.merging import merge
from pillion.apiserver.patching.schema import object_atom
from pillion.apiserver.patching.tracking import strip_system_fields
from pillion.objects import core_v1

laws = settings(derandomize=True, max_examples=60, deadline=None)
CONTEXT = PatchContext(target=POD, manager="me", now=NOW)
ATOM = object_atom(core_v1.Pod)

names = st.sampled_from("abc")
scalars = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "x", "y"])
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=12,
)
objects = st.dictionaries(names, trees, max_size=4)


def without_nulls(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {name: without_nulls(value) for name, value in tree.items() if value is not None}
    return [without_nulls(item) for item in tree] if isinstance(tree, list) else tree


full_objects = objects.map(without_nulls)


def apply(kind: PatchType, current: Tree | None, patch: Any, context: PatchContext = CONTEXT) -> Tree:
    before = copy.deepcopy(current)
    try:
        return apply_patch(kind, current, json.dumps(patch).encode(), context)
    finally:
        assert current == before


def without_empty(tree: Any) -> Any:
    if isinstance(tree, dict):
        inner = {name: without_empty(value) for name, value in tree.items()}
        return {name: value for name, value in inner.items() if value not in ({}, [], None)}
    return [without_empty(item) for item in tree] if isinstance(tree, list) else tree


# JSON patch and merge patch

pointers = st.lists(st.sampled_from(["a", "b", "c", "0", "1", "-", "-1"]), max_size=3).map(
    lambda parts: "".join(f"/{part}" for part in parts)
)
operations = st.lists(
    st.fixed_dictionaries(
        {"op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test"])},
        optional={"path": pointers, "from": pointers, "value": trees},
    ),
    max_size=6,
)


@laws
@given(objects, operations)
def test_a_json_patch_applies_as_a_whole_or_is_refused(current: Tree, patch: list[Any]) -> None:
    try:
        whole = apply(PatchType.JSON, current, patch)
    except PatchError as refused:
        assert refused.status in (400, 422)  # noqa: PT017
        return
    step = current
    for operation in patch:
        step = apply(PatchType.JSON, step, [operation])
    assert step == whole


def merge_diff(left: Any, right: Any) -> Any:
    if not isinstance(left, dict) or not isinstance(right, dict):
        return right
    gone = dict.fromkeys(left.keys() - right.keys())
    return gone | {
        name: merge_diff(left.get(name), value) for name, value in right.items() if left.get(name) != value
    }


@laws
@given(full_objects, full_objects)
def test_a_merge_patch_of_the_difference_gives_the_other_object(left: Tree, right: Tree) -> None:
    assert apply(PatchType.MERGE, left, merge_diff(left, right)) == right


@laws
@given(full_objects, objects)
def test_a_merge_patch_changes_nothing_the_second_time(current: Tree, patch: Tree) -> None:
    once = apply(PatchType.MERGE, current, patch)
    assert apply(PatchType.MERGE, once, patch) == once


# Pods

values = st.sampled_from(["1", "2"])
envs = st.lists(names, unique=True, max_size=3).flatmap(
    lambda chosen: st.tuples(
        *(values.map(lambda value, name=name: {"name": name, "value": value}) for name in chosen)
    )
)
ports = st.lists(st.integers(1, 3), unique=True, max_size=3).map(
    lambda numbers: [{"containerPort": number, "protocol": "TCP"} for number in numbers]
)


def container_of(name: str) -> st.SearchStrategy[Tree]:
    return st.fixed_dictionaries(
        {"name": st.just(name)},
        optional={
            "image": values,
            "env": envs.map(list),
            "ports": ports,
            "args": st.lists(names, max_size=2),
            "securityContext": st.fixed_dictionaries({}, optional={"runAsUser": st.integers(0, 1)}),
        },
    )


container_lists = st.lists(names, unique=True, max_size=3).flatmap(
    lambda chosen: st.tuples(*map(container_of, chosen)).map(list)
)
metadata = st.fixed_dictionaries(
    {},
    optional={
        "labels": st.dictionaries(names, values, max_size=3),
        "finalizers": st.lists(names.map("x/{}".format), unique=True, max_size=3),
    },
)
specs = st.fixed_dictionaries(
    {},
    optional={
        "containers": container_lists,
        "hostname": names,
        "nodeSelector": st.dictionaries(names, values, max_size=2),
        "tolerations": st.lists(names.map(lambda key: {"key": key}), max_size=2),
    },
)
configs = st.builds(
    lambda meta, spec: pod(metadata=meta) | {"spec": spec},
    metadata,
    specs,
)
managers = st.sampled_from(["me", "you", "kubectl"])
NOTHING = without_empty(pod())
substantial = configs.map(without_empty)
# An object applied as `{}` is null once everything else in it is removed, in Kubernetes as here: no law holds for it.
applies = st.tuples(st.just("apply"), managers, substantial, st.booleans())
updates = st.tuples(st.just("update"), managers, configs, st.just(False))
histories = st.lists(applies | updates, min_size=1, max_size=5)


def step(live: Tree | None, what: str, manager: str, config: Tree, *, force: bool) -> Tree | None:
    """The object after one write; as it was when there is a conflict."""
    if what == "update":
        return track(live, config, manager, "Update", "", "v1", NOW)
    context = PatchContext(target=POD, manager=manager, force=force, now=NOW)
    try:
        result = apply(PatchType.APPLY, live, config, context)
    except PatchError as refused:
        assert refused.status == 409  # noqa: PT017
        assert refused.causes  # noqa: PT017
        assert not force
        return live
    mine = owned(result).get(f"{manager}/Apply", {})
    assert set(paths(mine)) == set(paths(strip_system_fields(fields_of(config, ATOM))))
    assert without_empty(merge(result, config, ATOM)) == without_empty(result)
    if mine:
        again = apply(PatchType.APPLY, result, config, context)
        assert without_empty(unowned(again)) == without_empty(unowned(result))
        assert owned(again) == owned(result)
    return result


def check_owners(tree: Tree) -> None:
    """Whatever somebody owns is there, and spelled as we spell it."""
    present = set(paths(union(compare({}, unowned(tree), ATOM).added, fields_of(unowned(tree), ATOM))))
    for fields in owned(tree).values():
        assert fields
        assert parse_fields(fields) == fields
        assert set(paths(fields)) <= present


@laws
@given(histories)
def test_owners_own_what_is_there_and_appliers_what_they_said(history: list[Any]) -> None:
    live: Tree | None = None
    for what, manager, config, force in history:
        live = step(live, what, manager, config, force=force)
        if live is not None:
            check_owners(live)


@laws
@given(substantial, substantial)
def test_an_applier_who_wants_nothing_any_more_leaves_the_object_to_the_others(
    mine: Tree, theirs: Tree
) -> None:
    before = step(None, "apply", "you", theirs, force=True)
    both = step(before, "apply", "me", mine, force=False)
    assert before is not None
    assert both is not None
    left = step(both, "apply", "me", NOTHING, force=True)
    assert left is not None
    assert owned(left).get("you/Apply") == owned(both).get("you/Apply")
    if "me/Apply" in owned(both):
        # But for the order of owned lists, which is that of the last who said one.
        assert compare(without_empty(unowned(before)), without_empty(unowned(left)), ATOM).is_same


@laws
@given(configs)
def test_the_only_applier_can_take_everything_back(config: Tree) -> None:
    created = step(None, "apply", "me", config, force=False)
    left = step(created, "apply", "me", NOTHING, force=False)
    assert left is not None
    assert without_empty(unowned(left)) == NOTHING


# Strategic merge patch

directives = st.sampled_from(["delete", "replace", "merge", 1])
messy = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *(
                        "containers",
                        "env",
                        "name",
                        "image",
                        "labels",
                        "finalizers",
                        "spec",
                        "metadata",
                        "$patch",
                    ),
                    *(
                        "$retainKeys",
                        "$setElementOrder/containers",
                        "$setElementOrder/env",
                        "$setElementOrder",
                    ),
                    *("$deleteFromPrimitiveList/finalizers", "$deleteFromPrimitiveList/containers"),
                ]
            ),
            inner | directives,
            max_size=4,
        )
    ),
    max_leaves=14,
)


@laws
@given(configs, messy)
@pytest.mark.parametrize("kind", list(PatchType))
def test_no_patch_does_more_than_be_refused(kind: PatchType, current: Tree, patch: Any) -> None:
    for body in (patch, {"metadata": patch}, {"spec": patch}, {"spec": {"containers": [patch]}}, current):
        try:
            assert isinstance(apply(kind, current, body), dict)
        except PatchError as refused:
            assert refused.message  # noqa: PT017
            assert refused.status in (400, 409, 422, 500)  # noqa: PT017


@laws
@given(st.binary(max_size=40))
@pytest.mark.parametrize("kind", list(PatchType))
def test_no_bytes_do_more_than_be_refused(kind: PatchType, body: bytes) -> None:
    try:
        apply_patch(kind, pod(), body, CONTEXT)
    except PatchError as refused:
        assert refused.status in (400, 422, 500)  # noqa: PT017


@laws
@given(configs, configs)
def test_a_strategic_merge_patch_without_directives_changes_nothing_the_second_time(
    current: Tree, patch: Tree
) -> None:
    once = apply(PatchType.STRATEGIC, current, patch)
    assert apply(PatchType.STRATEGIC, once, patch) == once


@laws
@given(configs, configs)
def test_a_strategic_merge_patch_without_directives_says_what_it_says(current: Tree, patch: Tree) -> None:
    result = apply(PatchType.STRATEGIC, current, patch)
    for name, value in patch["metadata"].get("labels", {}).items():
        assert result["metadata"]["labels"][name] == value
    containers = {item["name"]: item for item in result["spec"].get("containers", [])}
    for item in patch["spec"].get("containers", []):
        assert (
            containers[item["name"]].items()
            >= {name: value for name, value in item.items() if isinstance(value, str)}.items()
        )


# Sets of fields

field_sets: st.SearchStrategy[FieldSet] = st.recursive(
    st.just({}),
    lambda inner: st.dictionaries(
        st.sampled_from(["f:a", "f:b", 'k:{"n":"1"}', 'v:"x"', "."]), inner, max_size=4
    ),
    max_leaves=10,
).map(lambda tree: normal(tree) or {})


def normal(tree: FieldSet) -> FieldSet:
    """As a set is built: a node says something, and `.` only beside children."""
    children = {name: normal(inner) for name, inner in tree.items() if name != "."}
    return {".": {}, **children} if "." in tree and children else children


def as_set(fields: FieldSet) -> set[tuple[str, ...]]:
    return set(paths(fields))


roots = field_sets.map(lambda tree: {name: inner for name, inner in tree.items() if name != "."})


@laws
@given(roots, roots)
def test_sets_of_fields_are_sets(left: FieldSet, right: FieldSet) -> None:
    assert as_set(union(left, right)) == as_set(left) | as_set(right)
    assert as_set(intersection(left, right)) == as_set(left) & as_set(right)
    assert as_set(difference(left, right)) == as_set(left) - as_set(right)
    assert as_set(without_branches(left, right)) == {
        path
        for path in as_set(left)
        if not any(path[: length + 1] in as_set(right) for length in range(len(path)))
    }
    assert difference(left, left) == {}
    assert parse_fields(union(left, right)) == union(left, right)


@laws
@given(configs, configs)
def test_comparing_back_swaps_what_came_and_what_went(left: Tree, right: Tree) -> None:
    there, back = compare(left, right, ATOM), compare(right, left, ATOM)
    assert there.added == back.removed
    assert there.removed == back.added
    assert as_set(there.modified) == as_set(back.modified)
    assert there.is_same == (left == right)
