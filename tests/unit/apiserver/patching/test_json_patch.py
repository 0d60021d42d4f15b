from __future__ import annotations

import json
from typing import Any

import pytest
from tests.unit.apiserver.patching.builders import NOW, POD, patched

from pillion.apiserver.patching import PatchContext, PatchError, PatchType, apply_patch

BASE = {"a": 1, "b": {"c": [1, 2, 3]}, "d/e": {"~": None}}


@pytest.mark.parametrize(
    ("operations", "expected"),
    [
        ([], BASE),
        ([{"op": "add", "path": "/x", "value": {"y": 1}}], BASE | {"x": {"y": 1}}),
        ([{"op": "add", "path": "/a", "value": None}], BASE | {"a": None}),
        ([{"op": "add", "path": "/x"}], BASE | {"x": None}),
        ([{"op": "add", "path": "/b/c/0", "value": 0}], BASE | {"b": {"c": [0, 1, 2, 3]}}),
        ([{"op": "add", "path": "/b/c/3", "value": 4}], BASE | {"b": {"c": [1, 2, 3, 4]}}),
        ([{"op": "add", "path": "/b/c/-", "value": 4}], BASE | {"b": {"c": [1, 2, 3, 4]}}),
        ([{"op": "add", "path": "/b/c/-1", "value": 4}], BASE | {"b": {"c": [1, 2, 3, 4]}}),
        ([{"op": "remove", "path": "/b/c/1"}], BASE | {"b": {"c": [1, 3]}}),
        ([{"op": "remove", "path": "/b/c/-1"}], BASE | {"b": {"c": [1, 2]}}),
        ([{"op": "remove", "path": "/b"}], {"a": 1, "d/e": {"~": None}}),
        ([{"op": "replace", "path": "/b/c/2", "value": {}}], BASE | {"b": {"c": [1, 2, {}]}}),
        ([{"op": "replace", "path": "/d~1e/~0", "value": 1}], BASE | {"d/e": {"~": 1}}),
        ([{"op": "replace", "path": "", "value": {"new": 1}}], {"new": 1}),
        ([{"op": "move", "from": "/b/c/0", "path": "/b/c/2"}], BASE | {"b": {"c": [2, 3, 1]}}),
        ([{"op": "move", "from": "/a", "path": "/z"}], {"b": {"c": [1, 2, 3]}, "d/e": {"~": None}, "z": 1}),
        ([{"op": "copy", "from": "/b", "path": "/x"}, {"op": "remove", "path": "/x/c/0"}],
         BASE | {"x": {"c": [2, 3]}}),
        ([{"op": "copy", "from": "/b", "path": "/x"}, {"op": "remove", "path": "/b/c/0"}],
         BASE | {"b": {"c": [2, 3]}, "x": {"c": [1, 2, 3]}}),
        ([{"op": "test", "path": "/b", "value": {"c": [1, 2.0, 3]}}], BASE),
        # A member that is not there is null (evanphx/json-patch v4, partialDoc.get).
        ([{"op": "test", "path": "/missing", "value": None}], BASE),
        ([{"op": "copy", "from": "/missing", "path": "/x"}], BASE | {"x": None}),
        ([{"op": "replace", "path": "/missing", "value": 1}], BASE | {"missing": 1}),
        ([{"op": "remove", "path": "/b/c/+1"}], BASE | {"b": {"c": [1, 3]}}),
        ([{"op": "test", "path": "", "value": BASE}], BASE),
    ],
)  # fmt: skip
def test_operations_do_what_rfc_6902_says(operations: list[Any], expected: Any) -> None:
    before = json.dumps(BASE)
    assert patched(PatchType.JSON, BASE, operations) == expected
    assert json.dumps(BASE) == before


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/a", "value": 2},
        {"op": "test", "path": "/a", "value": True},
        {"op": "test", "path": "/b/c/0", "value": "1"},
        {"op": "remove", "path": "/missing"},
        {"op": "remove", "path": "/b/c/3"},
        {"op": "remove", "path": ""},
        {"op": "replace", "path": "/missing/x", "value": 1},
        {"op": "move", "from": "/missing", "path": "/x"},
        {"op": "replace", "path": "/b/c/-", "value": 1},
        {"op": "add", "path": "/b/c/5", "value": 1},
        {"op": "add", "path": "/b/c/-5", "value": 1},
        {"op": "add", "path": "/b/c/x", "value": 1},
        {"op": "add", "path": "/missing/x", "value": 1},
        {"op": "add", "path": "/a/x", "value": 1},
        {"op": "add", "path": "a", "value": 1},
        {"op": "add", "value": 1},
        {"op": "move", "path": "/x"},
        {"op": "move", "from": "/b", "path": "/b/c/0"},
        {"op": "copy", "from": "/missing/x", "path": "/x"},
        {"op": "increment", "path": "/a"},
        {"path": "/a", "value": 1},
    ],
)
def test_an_operation_that_does_not_apply_fails_the_whole_patch(operation: Any) -> None:
    with pytest.raises(PatchError) as refused:
        patched(PatchType.JSON, BASE, [{"op": "add", "path": "/first", "value": 1}, operation])
    assert (refused.value.status, refused.value.reason) == (422, "Invalid")
    assert str(refused.value) == "the server rejected our request due to an error in our request"
    assert "first" not in BASE


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"{", 400, "error decoding patch: unexpected end of JSON input"),
        (b"", 400, "error decoding patch: unexpected end of JSON input"),
        (b"[x]", 400, "error decoding patch: invalid character 'x' looking for beginning of value"),
        (b"\xff", 400, None),
        (b"{}", 400,
         "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp"),
        (b"[1]", 400,
         "error decoding patch: json: cannot unmarshal number into Go value of type handlers.jsonPatchOp"),
        (b'[{"op": 1}]', 400, None),
        (b"[" * 200 + b"]" * 200, 400, "error decoding patch: nested more than 100 levels deep"),
        (b"[" * 100_000 + b"]" * 100_000, 400, None),
        (json.dumps([{"op": "test", "path": "/a", "value": 1}] * 10_001).encode(), 413,
         "Request entity is too large: The allowed maximum operations in a JSON patch is 10000, got 10001"),
    ],
)  # fmt: skip
def test_a_body_that_is_no_patch_is_refused(body: bytes, status: int, message: str | None) -> None:
    with pytest.raises(PatchError) as refused:
        apply_patch(PatchType.JSON, BASE, body, PatchContext(target=POD, now=NOW))
    assert refused.value.status == status
    if message is not None:
        assert str(refused.value) == message


def test_copies_cannot_make_an_object_grow_without_bound() -> None:
    doubling = [{"op": "copy", "from": "/b", "path": f"/b/x{i}"} for i in range(40)]
    with pytest.raises(PatchError):
        patched(PatchType.JSON, BASE, doubling)
    large = {"text": "x" * 1_000_000}
    assert len(patched(PatchType.JSON, large, [{"op": "copy", "from": "/text", "path": "/c"}])) == 2
    with pytest.raises(PatchError):
        patched(PatchType.JSON, large, [{"op": "copy", "from": "/text", "path": f"/c{i}"} for i in range(4)])
