from __future__ import annotations

from typing import Any

import pytest
from tests.unit.apiserver.patching.builders import NOW, POD, patched

from pillion.apiserver.patching import PatchContext, PatchError, PatchType, apply_patch


@pytest.mark.parametrize(
    ("current", "patch", "expected"),
    [
        # RFC 7386, appendix A, as far as both are objects.
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
        # The library's own: nulls of objects in lists are gone, those of lists stay.
        ({}, {"a": [{"b": None, "c": 1}, None]}, {"a": [{"c": 1}, None]}),
    ],
)
def test_objects_merge_and_null_removes(current: Any, patch: Any, expected: Any) -> None:
    assert patched(PatchType.MERGE, current, patch) == expected


@pytest.mark.parametrize(
    ("body", "kind"), [(b"[]", "array"), (b'"x"', "string"), (b"1", "number"), (b"true", "bool")]
)
def test_only_an_object_is_a_merge_patch(body: bytes, kind: str) -> None:
    with pytest.raises(PatchError) as refused:
        apply_patch(PatchType.MERGE, {}, body, PatchContext(target=POD, now=NOW))
    assert refused.value.status == 400
    assert str(refused.value) == (
        f"error decoding patch: json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}"
    )
