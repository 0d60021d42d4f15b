"""An OpenAPI 2 document in protobuf, as kubectl reads it: gnostic's messages (openapiv2/OpenAPIv2.proto).

Written straight from the tree; what kubectl does not look at (examples, headers, security) is not written. An
extension travels as YAML text, and JSON is YAML.
"""

from __future__ import annotations

from typing import Any

import msgspec

Tree = dict[str, Any]


def encode_document(document: Tree) -> bytes:
    """The document's bytes."""
    info = _text(1, document["info"]["title"]) + _text(2, document["info"]["version"])
    paths = b"".join(_named(2, path, _path_item(item)) for path, item in document["paths"].items())
    definitions = b"".join(
        _named(1, name, _schema(schema)) for name, schema in document["definitions"].items()
    )
    return _text(1, document["swagger"]) + _run(2, info) + _run(8, paths) + _run(9, definitions)


_METHODS = {"get": 2, "put": 3, "post": 4, "delete": 5, "options": 6, "head": 7, "patch": 8}


def _path_item(item: Tree) -> bytes:
    operations = b"".join(_run(_METHODS[name], _operation(item[name])) for name in _METHODS if name in item)
    return operations + b"".join(_run(9, _parameter(one)) for one in item.get("parameters", ()))


def _operation(operation: Tree) -> bytes:
    responses = b"".join(
        _named(1, code, _run(1, _response(response))) for code, response in operation["responses"].items()
    )
    return b"".join(
        (
            *(_text(6, one) for one in operation["produces"]),
            *(_text(7, one) for one in operation.get("consumes", ())),
            *(_run(8, _parameter(one)) for one in operation.get("parameters", ())),
            _run(9, responses),
            *(_text(10, one) for one in operation["schemes"]),
            _extensions(13, operation),
        )
    )


def _response(response: Tree) -> bytes:
    schema = response.get("schema")
    return _text(1, response["description"]) + (_run(2, _run(1, _schema(schema))) if schema else b"")


def _parameter(parameter: Tree) -> bytes:
    """A ParametersItem: its first choice holds a body's Parameter as the first choice again, others as the second."""
    description = _text(1, parameter.get("description", ""))
    if parameter["in"] == "body":
        body = (
            description
            + _text(2, parameter["name"])
            + _text(3, "body")
            + _flag(4, is_set=parameter["required"])
            + _run(5, _schema(parameter["schema"]))
        )
        return _run(1, _run(1, body))
    in_path = parameter["in"] == "path"
    kind, unique = (5, 19) if in_path else (6, 20)
    plain = (
        _flag(1, is_set=parameter.get("required", False))
        + _text(2, parameter["in"])
        + _text(3, parameter.get("description", ""))
        + _text(4, parameter["name"])
        + _text(kind, parameter["type"])
        + _flag(unique, is_set=parameter.get("uniqueItems", False))
    )
    return _run(1, _run(2, _run(4 if in_path else 3, plain)))


def _schema(schema: Tree) -> bytes:
    parts = [
        _text(1, schema.get("$ref", "")),
        _text(2, schema.get("format", "")),
        _text(4, schema.get("description", "")),
    ]
    if "default" in schema:
        parts.append(_run(5, _any(schema["default"])))
    parts += [_text(19, name) for name in schema.get("required", ())]
    if "additionalProperties" in schema:
        parts.append(_run(21, _run(1, _schema(schema["additionalProperties"]))))
    if "type" in schema:
        parts.append(_run(22, _text(1, schema["type"])))
    if "items" in schema:
        parts.append(_run(23, _run(1, _schema(schema["items"]))))
    if "properties" in schema:
        properties = (_named(1, name, _schema(one)) for name, one in schema["properties"].items())
        parts.append(_run(25, b"".join(properties)))
    parts.append(_extensions(31, schema))
    return b"".join(parts)


def _extensions(number: int, tree: Tree) -> bytes:
    return b"".join(_named(number, name, _any(tree[name])) for name in tree if name.startswith("x-"))


def _any(value: Any) -> bytes:
    return _text(2, msgspec.json.encode(value).decode())


def _named(number: int, name: str, value: bytes) -> bytes:
    return _run(number, _text(1, name) + _run(2, value))


def _text(number: int, text: str) -> bytes:
    return _run(number, text.encode()) if text else b""


def _flag(number: int, *, is_set: bool) -> bytes:
    return _varint(number << 3) + b"\x01" if is_set else b""


def _run(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
