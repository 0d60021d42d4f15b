"""Label and field selectors: read once, asked for every object.

Sources: apimachinery, pkg/labels/selector.go and pkg/fields/selector.go.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from pillion.apiserver import statuses
from pillion.objects.validation import names
from pillion.store import Stored

Tree = dict[str, Any]


class Requirement(msgspec.Struct, frozen=True):
    key: str
    operator: str
    """`in`, `notin`, `exists`, `!`, `gt` or `lt`; equality is a set of one."""
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        value = labels.get(self.key)
        match self.operator:
            case "in":
                return value is not None and value in self.values
            case "notin":
                return value is None or value not in self.values
            case "exists":
                return value is not None
            case "!":
                return value is None
            case _:
                return _compares(self.operator, value, self.values[0])


def _compares(operator: str, value: str | None, limit: str) -> bool:
    if value is None:
        return False
    try:
        number = int(value)
    except ValueError:
        return False
    return number > int(limit) if operator == "gt" else number < int(limit)


LabelSelector = tuple[Requirement, ...]

_TOKEN = re.compile(r"\s*(!=|==|=|!|<|>|\(|\)|,|[^\s!=<>(),]+)")
_EQUALITY = {"=": "in", "==": "in", "!=": "notin", ">": "gt", "<": "lt"}


def parse_labels(text: str) -> LabelSelector:
    """All operators: `a`, `!a`, `a=b`, `a==b`, `a!=b`, `a in (b,c)`, `a notin (b)`, `a>1`, `a<1`. Raises ApiError."""
    tokens = _TOKEN.findall(text)
    if _TOKEN.sub("", text).strip():
        raise statuses.bad_request(f"unable to parse requirement: cannot read {text!r}")
    requirements: list[Requirement] = []
    parser = _LabelParser(tokens)
    while parser.peek():
        requirements.append(parser.requirement())
        if parser.peek() == ",":
            parser.take()
            if not parser.peek():
                raise statuses.bad_request("found '', expected: identifier after ','")
        elif parser.peek():
            raise statuses.bad_request(f"found '{parser.peek()}', expected: ',' or 'end of string'")
    return tuple(sorted(requirements, key=lambda requirement: requirement.key))


class _LabelParser:
    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._next = 0

    def peek(self) -> str:
        return self._tokens[self._next] if self._next < len(self._tokens) else ""

    def take(self) -> str:
        token = self.peek()
        self._next += 1
        return token

    def requirement(self) -> Requirement:
        is_negated = self.peek() == "!"
        if is_negated:
            self.take()
        key = self._identifier("identifier")
        _check("key", key, names.qualified_name(key))
        if is_negated:
            return Requirement(key, "!")
        operator = self.peek()
        if operator in ("", ","):
            return Requirement(key, "exists")
        self.take()
        if operator in ("in", "notin"):
            return Requirement(key, operator, self._values(key))
        if operator not in _EQUALITY:
            raise statuses.bad_request(
                f"unable to parse requirement: found '{operator}', expected: in, notin, =, ==, !=, gt, lt"
            )
        value = "" if self.peek() in ("", ",") else self._identifier("identifier")
        if operator in "<>" and not value.lstrip("-").isdecimal():
            raise statuses.bad_request(
                f'unable to parse requirement: values[0][{key}]: Invalid value: "{value}": '
                "for 'Gt', 'Lt' operators, the value must be an integer"
            )
        _check(f"values[0][{key}]", value, names.label_value(value))
        return Requirement(key, _EQUALITY[operator], (value,))

    def _values(self, key: str) -> tuple[str, ...]:
        if self.take() != "(":
            raise statuses.bad_request("unable to parse requirement: found ',' expected: '('")
        values: list[str] = []
        while self.peek() not in (")", ""):
            if self.peek() == ",":
                values.append("")
            else:
                values.append(self.take())
            if self.peek() == ",":
                self.take()
                if self.peek() == ")":
                    values.append("")
        if self.take() != ")":
            raise statuses.bad_request("unable to parse requirement: found '', expected: ',' or ')'")
        values = values or [""]
        for index, value in enumerate(values):
            _check(f"values[{index}][{key}]", value, names.label_value(value))
        return tuple(values)

    def _identifier(self, expected: str) -> str:
        word = self.take()
        if not word or word in "=!<>(),":
            raise statuses.bad_request(f"unable to parse requirement: found '{word}', expected: {expected}")
        return word


def _check(where: str, value: str, sentences: list[str]) -> None:
    if sentences:
        raise statuses.bad_request(
            f'unable to parse requirement: {where}: Invalid value: "{value}": {"; ".join(sentences)}'
        )


class FieldRequirement(msgspec.Struct, frozen=True):
    field: str
    is_equal: bool
    value: str


FieldSelector = tuple[FieldRequirement, ...]

_FIELD_TERM = re.compile(r"([^=!]*)(!=|==|=)(.*)", re.DOTALL)


def parse_fields(text: str, known: Mapping[str, str], qualified: str) -> FieldSelector:
    """`a=b,c!=d` over the fields a resource can be asked for. Raises ApiError."""
    requirements = []
    for term in _split_terms(text):
        match = _FIELD_TERM.fullmatch(term)
        if match is None:
            raise statuses.bad_request(f"invalid selector: '{text}'; can't understand '{term}'")
        field, operator, value = match.groups()
        if field not in known:
            raise statuses.bad_request(_unknown_field(field, qualified))
        plain = value.replace("\\,", ",").replace("\\=", "=").replace("\\\\", "\\")
        requirements.append(FieldRequirement(field, operator != "!=", plain))
    return tuple(requirements)


def _split_terms(text: str) -> list[str]:
    """At commas that no backslash protects."""
    return [term for term in re.split(r"(?<!\\),", text) if term]


def _unknown_field(field: str, qualified: str) -> str:
    if qualified in ("pods", "events", "nodes", "namespaces", "secrets", "services"):
        return f"field label not supported: {field}"
    return f'"{field}" is not a known field selector: only "metadata.name", "metadata.namespace"'


_METADATA = {"metadata.name": "", "metadata.namespace": ""}


def _with(*fields: str) -> dict[str, str]:
    return _METADATA | dict.fromkeys(fields, "")


_SELECTABLE: dict[str, dict[str, str]] = {
    "pods": _with(
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "status.phase",
        "status.podIP",
        "status.podIPs",
        "status.nominatedNodeName",
    )
    | {"spec.hostNetwork": "false"},
    "nodes": _METADATA | {"spec.unschedulable": "false"},
    "namespaces": _with("status.phase", "name"),
    "secrets": _with("type"),
    "services": _with("spec.clusterIP", "spec.type"),
    "events": _with(
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "source",
        "type",
    ),
}


def selectable_fields(storage: str) -> Mapping[str, str]:
    """The fields a resource can be selected by, each with the text an absent one has."""
    return _SELECTABLE.get(storage, _METADATA)


def field_value(tree: Tree, field: str, absent: str = "") -> str:
    """The text a field selector compares with (registry/core/pod/strategy.go: ToSelectableFields, and its like)."""
    if field == "source":  # an Event's, in one word
        source = tree.get("source") or {}
        return source.get("component") or tree.get("reportingComponent") or ""
    if field == "name":
        field = "metadata.name"
    value: Any = tree
    for part in field.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if isinstance(value, list):
        return ",".join(item.get("ip", "") for item in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return absent if value is None else str(value)


class _Metadata(msgspec.Struct):
    labels: dict[str, str] | None = None


class _Labelled(msgspec.Struct):
    metadata: _Metadata


_LABELS = msgspec.json.Decoder(_Labelled)
_TREE = msgspec.json.Decoder(dict[str, Any])

Matches = Callable[[Stored], bool]


def matcher(labels: LabelSelector, fields: FieldSelector, storage: str) -> Matches | None:
    """Whether a stored object is selected; None when all are. Decodes no more than it must."""
    if not labels and not fields:
        return None
    known = selectable_fields(storage)
    of_key = [f for f in fields if f.field in _METADATA]
    of_tree = [f for f in fields if f.field not in _METADATA]

    def matches(stored: Stored) -> bool:
        for wanted in of_key:
            own = stored.key.name if wanted.field == "metadata.name" else stored.key.namespace
            if (own == wanted.value) is not wanted.is_equal:
                return False
        if labels:
            found = _LABELS.decode(stored.value).metadata.labels or {}
            if not all(requirement.matches(found) for requirement in labels):
                return False
        if of_tree:
            tree = _TREE.decode(stored.value)
            for wanted in of_tree:
                value = field_value(tree, wanted.field, known[wanted.field])
                if (value == wanted.value) is not wanted.is_equal:
                    return False
        return True

    return matches
