"""Server-side apply against the documented cases of structured-merge-diff, told with fields of ours.

Each row is a case of merge/set_test.go, duplicates_test.go, multiple_appliers_test.go, nested_test.go or leaf_test.go
there: its steps, the object they lead to, and who owns what of it. `finalizers` are a set, `containers` and their `env`
lists with a key, `securityContext` an object, `tolerations` and `nodeSelector` atoms.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.unit.apiserver.patching.builders import Tree, applied, config_map, owned, pod, written

from pillion.apiserver.patching import PatchError

Step = tuple[str, str, Any]
Case = tuple[str, tuple[Step, ...], Any, dict[str, str]]


def items(text: str) -> list[Tree]:
    """`a b=1` → two containers, the second with an image."""
    return [
        {"name": name} | ({"image": value} if value else {})
        for name, _, value in (part.partition("=") for part in text.split())
    ]


def nested(text: str) -> list[Tree]:
    """`a b:c,d` → two containers, the second with two variables."""
    return [
        {"name": name} | ({"env": [{"name": inner} for inner in inside.split(",")]} if inside else {})
        for name, _, inside in (part.partition(":") for part in text.split())
    ]


def paths(fields: Tree, path: str = "") -> list[str]:
    """FieldsV1 as paths without its marks: `list`, `list/a`, `list/a/image`."""
    found = []
    for element, inner in fields.items():
        if element == ".":
            found.append(path)
            continue
        name = element[2:]
        if element.startswith("k:"):
            name = ",".join(str(value) for value in json.loads(name).values())
        elif element.startswith("v:"):
            name = json.loads(name)
        inside = f"{path}/{name}" if path else name
        found += [inside] if inner == {} else paths(inner, inside)
    return found


def replaced(live: Tree, new: Tree) -> Tree:
    """What a client sends that has read the object and writes its part of it anew."""
    part = "spec" if "spec" in new else "metadata"
    return live | {part: live[part] | new[part]}


def play(make: Callable[[Any], Tree], pick: Callable[[Tree], Any], case: Case, start: str) -> None:
    _, steps, result, owners = case
    live: Tree | None = None
    for verb, manager, value in steps:
        new = make(value)
        match verb:
            case "apply":
                live = applied(live, new, manager)
            case "force":
                live = applied(live, new, manager, force=True)
            case "update":
                live = written(live, new if live is None else replaced(live, new), manager)
            case _:  # the conflict, as it is told
                with pytest.raises(PatchError) as refused:
                    applied(live, new, manager)
                assert verb in str(refused.value)
    assert live is not None
    assert pick(live) == result
    found = {
        who.partition("/")[0]: " ".join(
            sorted(path.removeprefix(start).lstrip("/") or "." for path in paths(fields))
        )
        for who, fields in owned(live).items()
    }
    assert found == {who: " ".join(sorted(fields.split())) for who, fields in owners.items()}


def rows(*cases: Case) -> Any:
    return pytest.mark.parametrize("case", [pytest.param(case, id=case[0]) for case in cases])


@rows(
    ("apply twice", (("apply", "me", "a c"), ("apply", "me", "a b c d")), "a b c d", {"me": "a b c d"}),
    (
        "apply, update, apply without overlap",
        (("apply", "me", "a c"), ("update", "you", "a b c d"), ("apply", "me", "a a1 c c1")),
        "a b a1 c d c1",  # in the order of typed/merge.go since v4: what is only live keeps its place
        {"me": "a a1 c c1", "you": "b d"},
    ),
    (
        "apply, update, apply with overlap",
        (("apply", "me", "a c"), ("update", "you", "a b c d"), ("apply", "me", "a b c")),
        "a b c d",
        {"me": "a b c", "you": "b d"},
    ),
    (
        "apply twice in another order",
        (("apply", "me", "a b c d"), ("apply", "me", "a d c b")),
        "a d c b",
        {"me": "a b c d"},
    ),
    (
        "apply, update in another order, apply",
        (("apply", "me", "a b c d"), ("update", "you", "a d c b"), ("apply", "me", "a b c d")),
        "a b c d",
        {"me": "a b c d"},
    ),
    ("apply less", (("apply", "me", "a b c d"), ("apply", "me", "a c")), "a c", {"me": "a c"}),
    ("apply less and more", (("apply", "me", "a b c d"), ("apply", "me", "a c e")), "a c e", {"me": "a c e"}),
    ("duplicates are owned once", (("update", "me", "a a c d"),), "a a c d", {"me": ". a c d"}),
    (
        "who adds a duplicate owns the value",
        (("update", "me", "a c d"), ("update", "you", "a a c d")),
        "a a c d",
        {"me": ". c d", "you": "a"},
    ),
    (
        "who removes a duplicate owns the value",
        (("update", "me", "a a c d"), ("update", "you", "a c d")),
        "a c d",
        {"me": ". c d", "you": "a"},
    ),
    (
        "to apply a duplicate once is a conflict",
        (
            ("update", "me", "a a c d"),
            ('conflict with "me" using v1: .metadata.finalizers[="a"]', "you", "a"),
            ("force", "you", "a"),
        ),
        "a c d",
        {"me": ". c d", "you": "a"},
    ),
    (
        "duplicates that are not applied stay",
        (("update", "me", "a a c d"), ("apply", "you", "e")),
        "a a c d e",
        {"me": ". a c d", "you": "e"},
    ),
)
def test_sets(case: Case) -> None:
    play(
        lambda text: {
            key: part for key, part in config_map({"finalizers": text.split()}).items() if key != "data"
        },
        lambda live: " ".join(live["metadata"]["finalizers"]),
        case,
        "metadata/finalizers",
    )


# There, the list itself has an owner, too. In Go a Pod always has its containers, if none: nobody made them a list.
TWICE = "a=1 a=2 b=3"
OF_B = "b b/name b/image"


@rows(
    (
        "one applier removes its own",
        (("apply", "one", "a b"), ("apply", "two", "c"), ("apply", "one", "a")),
        "a c",
        {"one": "a a/name", "two": "c c/name"},
    ),
    (
        "the same value is no conflict",
        (("apply", "one", "a=0"), ("apply", "two", "a=0")),
        "a=0",
        {"one": "a a/name a/image", "two": "a a/name a/image"},
    ),
    (
        "another value is one",
        (
            ("apply", "one", "a=0"),
            ('conflict with "one": .spec.containers[name="a"].image', "two", "a=1"),
        ),
        "a=0",
        {"one": "a a/name a/image"},
    ),
    (
        "what another applies too stays",
        (("apply", "one", "a b c"), ("apply", "two", "c d"), ("apply", "one", "a")),
        "a c d",
        {"one": "a a/name", "two": "c c/name d d/name"},
    ),
    ("duplicates are owned as one", (("update", "me", TWICE),), TWICE, {"me": f"a {OF_B}"}),
    (
        "who changes a duplicate owns it",
        (("update", "me", TWICE), ("update", "you", "a=1 a=3 b=3")),
        "a=1 a=3 b=3",
        {"me": OF_B, "you": "a"},
    ),
    (
        "who adds a duplicate owns it",
        (("update", "me", "a=1 b=3"), ("update", "you", "a=1 a=2 b=3")),
        TWICE,
        {"me": OF_B, "you": "a"},
    ),
    (
        "who adds another item owns that",
        (("update", "me", "a=1 a=2"), ("update", "you", TWICE)),
        TWICE,
        {"me": "a", "you": OF_B},
    ),
    (
        "to apply one of the duplicates is a conflict",
        (
            ("update", "me", TWICE),
            ('conflict with "me" using v1: .spec.containers[name="a"]', "you", "a=3"),
            ('conflict with "me" using v1: .spec.containers[name="a"]', "you", "a=2"),
            ("force", "you", "a=3"),
        ),
        "a=3 b=3",
        {"me": OF_B, "you": "a a/name a/image"},
    ),
    (
        "an item that is no duplicate is changed alone",
        (("update", "me", TWICE), ("force", "you", "b=4")),
        "a=1 a=2 b=4",
        {"me": "a b b/name", "you": OF_B},
    ),
    (
        "what became a duplicate is not the applier's to remove",
        (("apply", "me", "a=1 b=3"), ("update", "you", TWICE), ("apply", "me", "b=3")),
        TWICE,
        {"me": OF_B, "you": "a"},
    ),
)
def test_lists_with_a_key(case: Case) -> None:
    play(
        lambda text: pod(*items(text)),
        lambda live: " ".join(
            item["name"] + (f"={item['image']}" if "image" in item else "")
            for item in live["spec"]["containers"]
        ),
        case,
        "spec/containers",
    )


@rows(
    (
        "an item stays with what another applied in it",
        (("apply", "one", "a b:c"), ("apply", "two", "b:d"), ("apply", "one", "a")),
        "a b:d",
        {"one": "a a/name", "two": "b b/name b/env/d b/env/d/name"},
    ),
    (
        "and with what others added beside that",
        (
            ("apply", "one", "a b:c"),
            ("apply", "two", "b:d"),
            ("update", "you", "a b:c,d,e"),
            ("apply", "one", "a"),
        ),
        "a b:d,e",
        {"one": "a a/name", "two": "b b/name b/env/d b/env/d/name", "you": "b/env/e b/env/e/name"},
    ),
    (
        "an item that nobody applies goes with what others added to it",
        (
            ("apply", "one", "a b:c"),
            ("apply", "two", "a:b"),
            ("update", "you", "a:b b:c,d"),
            ("apply", "one", "a"),
        ),
        "a:b",
        {"one": "a a/name", "two": "a a/name a/env/b a/env/b/name"},
    ),
)
def test_lists_in_lists(case: Case) -> None:
    def pick(live: Tree) -> str:
        found = []
        for item in live["spec"]["containers"]:
            inside = ",".join(inner["name"] for inner in item.get("env") or ())
            found.append(f"{item['name']}:{inside}" if inside else item["name"])
        return " ".join(found)

    play(lambda text: pod(*nested(text)), pick, case, "spec/containers")


ALONE = {"runAsUser": 1}
SCALAR = {"runAsUser": 1, "fsGroup": 2}
COMPLEX = {"runAsUser": 1, "seLinuxOptions": {"level": "b"}}


@rows(
    (
        "a field goes with its only owner",
        (("apply", "one", SCALAR), ("apply", "one", ALONE)),
        ALONE,
        {"one": "runAsUser"},
    ),
    (
        "a field stays with another applier",
        (("apply", "one", SCALAR), ("apply", "two", {"fsGroup": 2}), ("apply", "one", ALONE)),
        SCALAR,
        {"one": "runAsUser", "two": "fsGroup"},
    ),
    (
        "an updater takes a field over",
        (("apply", "one", SCALAR), ("update", "you", SCALAR | {"fsGroup": 3})),
        SCALAR | {"fsGroup": 3},
        {"one": "runAsUser", "you": "fsGroup"},
    ),
    (
        "an object goes with its only owner",
        (("apply", "one", COMPLEX), ("apply", "one", ALONE)),
        ALONE,
        {"one": "runAsUser"},
    ),
    (
        "an object stays with another applier",
        (
            ("apply", "one", COMPLEX),
            ("apply", "two", {"seLinuxOptions": {"level": "b"}}),
            ("apply", "one", ALONE),
        ),
        COMPLEX,
        {"one": "runAsUser", "two": "seLinuxOptions/level"},
    ),
    (
        "force takes over",
        (
            ("apply", "one", SCALAR),
            ('conflict with "one": .spec.securityContext.fsGroup', "two", {"fsGroup": 3}),
            ("force", "two", {"fsGroup": 3}),
        ),
        SCALAR | {"fsGroup": 3},
        {"one": "runAsUser", "two": "fsGroup"},
    ),
    (
        "what was taken over is left alone by who no longer wants it",
        (("apply", "one", SCALAR), ("force", "two", {"fsGroup": 3}), ("apply", "one", ALONE)),
        SCALAR | {"fsGroup": 3},
        {"one": "runAsUser", "two": "fsGroup"},
    ),
    (
        "two conflicts are told together",
        (
            ("update", "you", SCALAR),
            (
                'conflicts with "you" using v1:\n- .spec.securityContext.fsGroup\n- .spec.securityContext.run',
                "two",
                {"runAsUser": 5, "fsGroup": 5},
            ),
        ),
        SCALAR,
        {"you": ". runAsUser fsGroup"},
    ),
)
def test_objects(case: Case) -> None:
    def make(context: Tree) -> Tree:
        tree = pod(securityContext=context)
        del tree["spec"]["containers"]
        return tree

    play(make, lambda live: live["spec"]["securityContext"], case, "spec/securityContext")


@pytest.mark.parametrize(
    ("field", "first", "second"),
    [
        ("tolerations", [{"key": "a"}], [{"key": "a"}, {"key": "b"}]),
        ("nodeSelector", {"a": "1"}, {"b": "1"}),
    ],
)
def test_an_atom_has_one_value_and_whole_owners(field: str, first: Any, second: Any) -> None:
    def make(value: Any) -> Tree:
        tree = pod(**{field: value})
        del tree["spec"]["containers"]
        return tree

    conflict = f'conflict with "one": .spec.{field}'
    play(
        make,
        lambda live: live["spec"][field],
        (
            "",
            (("apply", "one", first), (conflict, "two", second), ("force", "two", second)),
            second,
            {"two": "."},
        ),
        f"spec/{field}",
    )
