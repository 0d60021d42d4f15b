"""What the client sends and what it wants back: media types both ways.

Bodies are read as JSON, YAML or Kubernetes' protobuf; answers are JSON or YAML, as objects, as a Table or as metadata
only (apiserver: endpoints/handlers/negotiation).
"""

from __future__ import annotations

from enum import Enum
from typing import Any

import msgspec
import yaml

from pillion.apiserver import statuses, strictness
from pillion.apiserver.aside import run_aside
from pillion.apiserver.requests import Request
from pillion.apiserver.strictness import Findings
from pillion.yamltree.composer import compose

Tree = dict[str, Any]

JSON, YAML, PROTOBUF = "application/json", "application/yaml", "application/vnd.kubernetes.protobuf"
_WRITTEN = (JSON, YAML)
_READ = (JSON, YAML, PROTOBUF)
BODY_LIMIT_BYTES = 3 * 1024 * 1024
"""apiserver: server/config.go, MaxRequestBodyBytes."""


class Form(Enum):
    OBJECT = ""
    TABLE = "Table"
    METADATA = "PartialObjectMetadata"
    METADATA_LIST = "PartialObjectMetadataList"
    DISCOVERY = "APIGroupDiscoveryList"


class Format(msgspec.Struct, frozen=True):
    """How to answer."""

    media_type: str = JSON
    form: Form = Form.OBJECT
    version: str = ""
    """Of the form: v1 or v1beta1."""

    @property
    def content_type(self) -> str:
        if self.form is Form.DISCOVERY:
            return f"{self.media_type};g=apidiscovery.k8s.io;v={self.version};as={self.form.value}"
        return self.media_type


_GROUPS = {
    "meta.k8s.io": (Form.TABLE, Form.METADATA, Form.METADATA_LIST),
    "apidiscovery.k8s.io": (Form.DISCOVERY,),
}
_VERSIONS = {"meta.k8s.io": ("v1", "v1beta1"), "apidiscovery.k8s.io": ("v2",)}


def negotiate(accept: str, *forms: Form) -> Format:
    """The first form of an Accept header that this answer can take. Raises ApiError: 406."""
    if not accept:
        return Format()
    for clause in accept.split(","):
        media_type, *parameters = (part.strip() for part in clause.split(";"))
        if media_type in ("*/*", "application/*"):
            media_type = JSON
        if media_type not in _WRITTEN:
            continue
        given = dict(parameter.split("=", 1) for parameter in parameters if "=" in parameter)
        wanted = given.get("as")
        if wanted is None:
            return Format(media_type)
        group, version = given.get("g", ""), given.get("v", "")
        for form in _GROUPS.get(group, ()):
            if form.value == wanted and form in forms and version in _VERSIONS[group]:
                return Format(media_type, form, version)
    raise statuses.not_acceptable((*_WRITTEN,))


def encode_tree(tree: Any, media_type: str = JSON, *, pretty: bool = False) -> bytes:
    if media_type == YAML:
        return yaml.safe_dump(tree, sort_keys=False).encode()
    body = msgspec.json.encode(tree)
    return msgspec.json.format(body, indent=2) + b"\n" if pretty else body + b"\n"


def reformat(body: bytes, media_type: str, *, pretty: bool = False) -> bytes:
    """Ready JSON in the form the client wants."""
    if media_type == YAML:
        return encode_tree(msgspec.json.decode(body), YAML)
    return msgspec.json.format(body, indent=2) + b"\n" if pretty else body


class Body(msgspec.Struct, frozen=True):
    tree: Tree
    findings: Findings = Findings()
    """For strict field validation."""


async def read_body(request: Request) -> Body:
    """The object in a request's body. Raises ApiError."""
    return await run_aside(len(request.body), decode_body, request.content_type, request.body)


def decode_body(content_type: str, body: bytes) -> Body:
    """The object in a body. Raises ApiError."""
    media_type = content_type.split(";", 1)[0].strip() or JSON
    if media_type == PROTOBUF:
        from pillion.apiserver.protobuf import decode

        try:
            return Body(decode(body))
        except ValueError as error:
            raise statuses.bad_request(str(error)) from error
    if media_type not in _READ:
        raise statuses.unsupported_media_type(_READ)
    try:
        tree, findings = _parse_yaml(body) if media_type == YAML else _parse_json(body)
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise statuses.bad_request(
            f"the object provided is unrecognized (must be of type {_expected(media_type)}): {error}"
        ) from None
    if not isinstance(tree, dict):
        raise statuses.bad_request(
            f"couldn't get version/kind; json parse error: json: cannot unmarshal {_go_kind(tree)} "
            "into Go value of type struct { APIVersion string; Kind string }"
        )
    return Body(tree, findings)


def _parse_json(body: bytes) -> tuple[Any, Findings]:
    """Raises msgspec.DecodeError."""
    return msgspec.json.decode(body), strictness.in_json(body)


def _parse_yaml(body: bytes) -> tuple[Any, Findings]:
    """Its first document, as sigs.k8s.io/yaml reads one. Raises ValueError."""
    # Composed by our own rules: PyYAML overflows the stack on deep nesting and lets aliases of aliases grow for ever.
    text = compose(body.decode(), "body")
    if text.syntax_error is not None:
        problem = text.syntax_error
        raise ValueError(f"yaml: line {problem.mark.line}: {problem.message}")
    if not text.documents:
        return None, Findings()
    root = text.documents[0].root
    return strictness.last_values(root), strictness.in_yaml(root)


def _expected(media_type: str) -> str:
    return "YAML" if media_type == YAML else "JSON"


def _go_kind(value: Any) -> str:
    match value:
        case bool():
            return "bool"
        case str():
            return "string"
        case list():
            return "array"
        case None:
            return "null"
        case _:
            return "number"
