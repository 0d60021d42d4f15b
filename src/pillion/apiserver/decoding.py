"""From a body to an object with its defaults, and what a client is told of a body that is not one.

Sources: apiserver, endpoints/handlers/create.go and rest.go (transformDecodeError); for the sentences,
Go's encoding/json.
"""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec

from pillion.apiserver import statuses
from pillion.apiserver.registry import Resource
from pillion.apiserver.strictness import Findings
from pillion.objects import DecodeProblem, DictMixin, Fault, decode, default, encode, kind_class, meta_v1
from pillion.objects.fielderrors import Path, invalid
from pillion.objects.shapes import ListOf, MapOf, ObjectOf, Scalar, Shape, model_fields

Tree = dict[str, Any]

_QUANTITY = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
_GO_TYPES = {
    Scalar.STRING: "string",
    Scalar.INTEGER: "int32",
    Scalar.BOOLEAN: "bool",
    Scalar.TIME: "v1.Time",
    Scalar.MICRO_TIME: "v1.MicroTime",
    Scalar.BASE64: "[]uint8",
    Scalar.QUANTITY: "resource.Quantity",
    Scalar.INT_OR_STRING: "intstr.IntOrString",
    Scalar.ANY: "map[string]interface {}",
}


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Where a tree comes from: what its text shows, and how its refusal is worded."""

    size: int = 0
    """Bytes of its text."""
    findings: Findings = Findings()
    is_patched: bool = False
    """Made by a patch: the patch is what is refused (handlers/patch.go)."""
    patch: Tree | None = None
    """The strategic merge patch that made it. Go shows this one, and of the others what they made."""


class Decoded(msgspec.Struct):
    tree: Tree
    """Normal: typed, without nulls, with its defaults."""
    model: DictMixin | None
    """The same as a model, for kinds that have one."""


def model_of(resource: Resource) -> type[DictMixin] | None:
    return kind_class(resource.api_version, resource.kind)


def check_type(resource: Resource, tree: Tree) -> None:
    """The body is of the kind its path says; what it leaves out is filled in. Raises ApiError."""
    api_version = tree.get("apiVersion") or resource.api_version
    kind = tree.get("kind") or resource.kind
    if api_version != resource.api_version:
        raise statuses.bad_request(
            f"the API version in the data ({api_version}) does not match the expected API version "
            f"({resource.api_version})"
        )
    if kind != resource.kind:
        raise statuses.bad_request(
            f'{kind} in version "{resource.version}" cannot be handled as a {resource.kind}: '
            f"no kind {kind} is served here"
        )
    tree["apiVersion"], tree["kind"] = api_version, kind


def decode_object(
    resource: Resource, tree: Tree, *, validation: str, warnings: list[str], source: Source
) -> Decoded:
    """Raises ApiError for what is of a wrong type, and with Strict for what is unknown or written twice."""
    model = model_of(resource)
    if model is None:
        pruned = without_nulls(tree)
        for field in ("spec", "status"):
            if not isinstance(pruned.get(field, {}), dict):
                raise refusal(resource, f"{field} is no object", tree, source)
        metadata = pruned.get("metadata", {})
        checked, problems = decode(meta_v1.ObjectMeta, metadata, "metadata")
        _check_types(resource, meta_v1.ObjectMeta, problems, tree, source)
        _check_strictly(resource, problems, tree, source, validation, warnings)
        pruned["metadata"] = encode(checked)
        return Decoded(pruned, None)
    obj, problems = decode(model, tree)
    _check_types(resource, model, problems, tree, source)
    _check_strictly(resource, problems, tree, source, validation, warnings)
    default(obj)
    return Decoded(encode(obj), obj)


Message = TypeVar("Message")


def read_message(model: type[Message], tree: Tree, kind: str) -> Message:
    """A body that is a question or an order rather than an object. Raises ApiError."""
    try:
        return msgspec.convert(without_nulls(tree), type=model)
    except msgspec.ValidationError as error:
        # Says which types met where, and no values.
        raise statuses.bad_request(f"{kind} cannot be read: {error}") from None


def without_nulls(tree: Any) -> Any:
    """null is absent, as in Go."""
    if isinstance(tree, dict):
        return {name: without_nulls(value) for name, value in tree.items() if value is not None}
    if isinstance(tree, list):
        return [without_nulls(item) for item in tree]
    return tree


def refusal(resource: Resource, sentence: str, tree: Tree, source: Source) -> statuses.ApiError:
    """What is wrong with an object, or with the patch that made it."""
    if not source.is_patched:
        start = f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: '
        return statuses.bad_request(start + sentence)
    shown = msgspec.json.encode(tree).decode() if source.patch is None else go_text(source.patch)
    if resource.storage == "secrets":
        shown = ""  # Kubernetes shows what is in it; what leads to a log has no business to
    return statuses.invalid("", "", [invalid(Path("patch"), shown, sentence)])


def _check_types(
    resource: Resource, model: type[DictMixin], problems: list[DecodeProblem], tree: Tree, source: Source
) -> None:
    """Raises ApiError for the first value that Go's decoder cannot take."""
    for problem in problems:
        if problem.fault is not Fault.UNKNOWN_FIELD:
            read = go_sentence if source.patch is None else converter_sentence
            raise refusal(resource, read(model, problem), tree, source)


def _check_strictly(
    resource: Resource,
    problems: list[DecodeProblem],
    tree: Tree,
    source: Source,
    validation: str,
    warnings: list[str],
) -> None:
    """Unknown and repeated fields: refused, told or passed over as the client wants. Raises ApiError."""
    unknown = [problem.path for problem in problems]
    found = source.findings.list(unknown)
    if not found or validation == "Ignore":
        return
    if validation == "Strict":
        raise refusal(resource, source.findings.sentence(unknown), tree, source)
    warnings += found


_INDEX = re.compile(r"\[[^]]*]")
_GO_VALUES = {
    "a number": "int64",
    "a string": "string",
    "an empty string": "string",
    "true": "bool",
    "false": "bool",
    "a list": "[]interface {}",
}
_FOUND = {
    "a number": "number",
    "a string": "string",
    "an empty string": "string",
    "true": "bool",
    "false": "bool",
    "a list": "array",
    "a mapping": "object",
}


def go_sentence(model: type[DictMixin], problem: DecodeProblem) -> str:
    """What Go's decoder says of the first value it cannot take."""
    owner, shape = _place(model, problem.path)
    if shape is Scalar.QUANTITY and "found" not in problem.message:
        return _QUANTITY
    if problem.fault is Fault.INVALID:
        if shape is Scalar.BASE64 or isinstance(shape, MapOf):
            return "illegal base64 data at input byte 0"
        return problem.message
    found = _FOUND.get(problem.message.rpartition("found ")[2], "object")
    if not problem.path:
        return f"json: cannot unmarshal {found} into Go value of type v1.{model.__name__}"
    field = f"{owner}.{_INDEX.sub('', problem.path)}"
    return f"json: cannot unmarshal {found} into Go struct field {field} of type {_go_type(shape)}"


def converter_sentence(model: type[DictMixin], problem: DecodeProblem) -> str:
    """The same after a strategic merge patch, which goes from map to struct (apimachinery: runtime/converter.go)."""
    if problem.fault is Fault.INVALID:
        return go_sentence(model, problem)
    found = _GO_VALUES.get(problem.message.rpartition("found ")[2], "map[string]interface {}")
    match _place(model, problem.path)[1]:
        case ListOf():
            return f"cannot restore slice from {found}"
        case MapOf():
            return f"cannot restore map from {found}"
        case ObjectOf():
            return f"cannot restore struct from: {found}"
        case _:
            return f"unrecognized type: {found}"


def go_text(value: Any) -> str:
    """A tree as Go's `%+v` prints it."""
    match value:
        case None:
            return "<nil>"
        case bool():
            return str(value).lower()
        case dict():
            return f"map[{' '.join(f'{key}:{go_text(value[key])}' for key in sorted(value))}]"
        case list():
            return f"[{' '.join(go_text(item) for item in value)}]"
        case _:
            return str(value)


def _place(model: type[DictMixin], path: str) -> tuple[str, Shape]:
    """The struct that holds the field, and the field's shape."""
    owner: type[DictMixin] = model
    shape: Shape = ObjectOf(model)
    for part in re.findall(r"[^.\[\]]+|\[[^]]*]", path):
        match shape:
            case ListOf(item) if part.startswith("["):
                shape = item
            case MapOf(leaf) if part.startswith("["):
                shape = leaf
            case ObjectOf(inner) if (field := model_fields(inner).get(part)) is not None:
                owner, shape = inner, field.shape
            case _:
                break
    return owner.__name__, shape


def _go_type(shape: Shape) -> str:
    match shape:
        case Scalar():
            return _GO_TYPES[shape]
        case ObjectOf(model):
            return f"v1.{model.__name__}"
        case ListOf(item):
            return f"[]{_go_type(item)}"
        case MapOf(leaf):
            return f"map[string]{_go_type(leaf)}"
