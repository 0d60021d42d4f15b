"""The envelope of a body: four bytes, then runtime.Unknown, which says what kind of object it holds."""

from __future__ import annotations

import base64
from typing import Any

from pillion.apiserver.protobuf.decoder import decode_message
from pillion.apiserver.protobuf.messages import messages
from pillion.apiserver.protobuf.wire import ProtobufError

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"

_PREFIX = b"k8s\x00"

_EVERYWHERE = frozenset({"DeleteOptions", "Status"})
"""Kinds of meta/v1 that every group has under its own name (apimachinery, AddToGroupVersion)."""


def decode(body: bytes) -> dict[str, Any]:
    """The object in a body, with apiVersion and kind. Raises ProtobufError, in the words of the serializer.

    The words are those of apimachinery/pkg/runtime/serializer/protobuf.
    """
    if not body.startswith(_PREFIX):
        expected = " ".join(str(byte) for byte in _PREFIX)
        raise ProtobufError(
            f"provided data does not appear to be a protobuf message, expected prefix [{expected}]"
        )
    unknown = decode_message("Unknown", memoryview(body)[len(_PREFIX) :])
    meta = unknown.get("typeMeta", {})
    api_version, kind = meta.get("apiVersion", ""), meta.get("kind", "")
    if unknown.get("contentEncoding") or unknown.get("contentType", MEDIA_TYPE) != MEDIA_TYPE:
        raise ProtobufError("cannot decode the protobuf body: its content is not protobuf")
    name = message_name(api_version, kind)
    if name not in messages():
        raise ProtobufError(f'no kind "{kind}" is registered for version "{api_version}" in scheme "pillion"')
    raw = base64.b64decode(unknown.get("raw", ""))
    return {"apiVersion": api_version, "kind": kind, **decode_message(name, memoryview(raw))}


def message_name(api_version: str, kind: str) -> str:
    """`core_v1.Pod` of `v1` and `Pod`, `events_v1.Event` of `events.k8s.io/v1` and `Event`."""
    if kind in _EVERYWHERE:
        return f"meta_v1.{kind}"
    group, _, version = api_version.rpartition("/")
    return f"{group.partition('.')[0] or 'core'}_{version}.{kind}"
