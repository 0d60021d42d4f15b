"""Rules for ConfigMaps, Secrets and Namespaces (core/validation: ValidateConfigMap, ValidateSecret,
ValidateNamespace, and their updates).
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import TYPE_CHECKING

from pillion.objects.fielderrors import FieldError, Path, forbidden, invalid, required, too_long
from pillion.objects.models import core_v1, meta_v1
from pillion.objects.validation import names
from pillion.objects.validation.metadata import (
    IMMUTABLE,
    validate_object_meta,
    validate_object_meta_update,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_DATA_BYTES = 1024 * 1024
_ROOT, _METADATA, _DATA, _BINARY = Path("[]"), Path("metadata"), Path("data"), Path("binaryData")
_FROZEN = "field is immutable when `immutable` is set"
_SERVICE_ACCOUNT_NAME = "kubernetes.io/service-account.name"
_JSON_KEYS = {
    "kubernetes.io/dockercfg": ".dockercfg",
    "kubernetes.io/dockerconfigjson": ".dockerconfigjson",
}


def validate_config_map(config: core_v1.ConfigMap) -> list[FieldError]:
    errors = validate_object_meta(config.metadata or meta_v1.ObjectMeta(), names.dns_subdomain, _METADATA)
    text, binary = config.data or {}, config.binaryData or {}
    for key in sorted(text):
        errors += names.check(_DATA.key(key), key, names.config_key)
        if key in binary:
            errors.append(invalid(_DATA.key(key), key, "duplicate of key present in binaryData"))
    for key in sorted(binary):
        errors += names.check(_BINARY.key(key), key, names.config_key)
    size = sum(len(value.encode()) for value in text.values()) + _decoded_size(binary)
    if size > MAX_DATA_BYTES:
        # Upstream blames the whole object, whose path Go writes as an index: `field.NewPath("")`.
        errors.append(too_long(_ROOT, MAX_DATA_BYTES))
    return errors


def validate_secret(secret: core_v1.Secret) -> list[FieldError]:
    """A Secret whose stringData has been merged into data."""
    meta = secret.metadata or meta_v1.ObjectMeta()
    errors = validate_object_meta(meta, names.dns_subdomain, _METADATA)
    data = secret.data or {}
    for key in sorted(data):
        errors += names.check(_DATA.key(key), key, names.config_key)
    if _decoded_size(data) > MAX_DATA_BYTES:
        errors.append(too_long(_DATA, MAX_DATA_BYTES))
    return errors + _validate_secret_type(secret.type or "", data, meta.annotations or {})


def validate_namespace(namespace: core_v1.Namespace) -> list[FieldError]:
    meta = namespace.metadata or meta_v1.ObjectMeta()
    return validate_object_meta(meta, names.dns_label, _METADATA, namespaced=False)


def validate_config_map_update(new: core_v1.ConfigMap, old: core_v1.ConfigMap) -> list[FieldError]:
    errors = _validate_meta_update(new.metadata, old.metadata)
    if old.immutable:
        errors += _validate_frozen(new, old, ("data", "binaryData"))
    return errors + validate_config_map(new)


def validate_secret_update(new: core_v1.Secret, old: core_v1.Secret) -> list[FieldError]:
    errors = _validate_meta_update(new.metadata, old.metadata)
    if new.type != old.type:
        errors.append(invalid(Path("type"), new.type or "", IMMUTABLE))
    if old.immutable:
        errors += _validate_frozen(new, old, ("data",))
    return errors + validate_secret(new)


def validate_namespace_update(new: core_v1.Namespace, old: core_v1.Namespace) -> list[FieldError]:
    return _validate_meta_update(new.metadata, old.metadata)


def _validate_meta_update(new: meta_v1.ObjectMeta | None, old: meta_v1.ObjectMeta | None) -> list[FieldError]:
    nothing = meta_v1.ObjectMeta()
    return validate_object_meta_update(new or nothing, old or nothing, _METADATA)


def _validate_frozen(
    new: core_v1.ConfigMap | core_v1.Secret,
    old: core_v1.ConfigMap | core_v1.Secret,
    fields: tuple[str, ...],
) -> list[FieldError]:
    errors = [] if new.immutable else [forbidden(Path("immutable"), _FROZEN)]
    errors += [
        forbidden(Path(field), _FROZEN)
        for field in fields
        if (getattr(new, field) or {}) != (getattr(old, field) or {})
    ]
    return errors


def _validate_secret_type(
    kind: str, data: Mapping[str, str], annotations: Mapping[str, str]
) -> list[FieldError]:
    """Types that promise certain keys. Others, bootstrap tokens among them, promise nothing here."""
    match kind:
        case "kubernetes.io/service-account-token":
            if annotations.get(_SERVICE_ACCOUNT_NAME):
                return []
            return [required(_METADATA.child("annotations").key(_SERVICE_ACCOUNT_NAME))]
        case "kubernetes.io/dockercfg" | "kubernetes.io/dockerconfigjson":
            key = _JSON_KEYS[kind]
            return _validate_json(data[key], _DATA.key(key)) if key in data else [required(_DATA.key(key))]
        case "kubernetes.io/basic-auth":
            if "username" in data or "password" in data:
                return []
            return [required(_DATA.key("username")), required(_DATA.key("password"))]
        case "kubernetes.io/ssh-auth":
            return [] if data.get("ssh-privatekey") else [required(_DATA.key("ssh-privatekey"))]
        case "kubernetes.io/tls":
            return [required(_DATA.key(key)) for key in ("tls.crt", "tls.key") if key not in data]
        case _:
            return []


def _validate_json(encoded: str, path: Path) -> list[FieldError]:
    """A JSON object. The detail is Go's sentence where we can tell it: one character of the contents at most."""
    content = _decoded(encoded)
    if not content.strip():
        detail = "unexpected end of JSON input"
    else:
        try:
            value = json.loads(content)
        except ValueError as error:
            detail = _go_sentence(error, content)
        else:
            if value is None or isinstance(value, dict):
                return []
            kind = {list: "array", str: "string", bool: "bool"}.get(type(value), "number")
            detail = f"json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}"
    return [invalid(path, "<secret contents redacted>", detail)]


def _go_sentence(error: ValueError, content: bytes) -> str:
    if not isinstance(error, json.JSONDecodeError):
        return "invalid character in JSON"
    rest = content.decode(errors="replace")[error.pos :]
    if not rest:
        return "unexpected end of JSON input"
    return f"invalid character '{rest[0]}' looking for beginning of value"


def _decoded(encoded: str) -> bytes:
    try:
        return base64.b64decode(encoded)
    except (binascii.Error, ValueError):
        return b""


def _decoded_size(data: Mapping[str, str]) -> int:
    return sum(len(_decoded(value)) for value in data.values())
