"""The envelope of the API's answers, and which status goes with which fault (web/api/v1/api.go, respond)."""

from __future__ import annotations

from enum import StrEnum
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import orjson

from pillion.http.server import Response

if TYPE_CHECKING:
    from collections.abc import Sequence

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"


class Kind(StrEnum):
    """The field errorType."""

    BAD_DATA = "bad_data"
    EXECUTION = "execution"
    TIMEOUT = "timeout"
    UNAVAILABLE = "unavailable"
    NOT_FOUND = "not_found"


_STATUS = {
    Kind.BAD_DATA: HTTPStatus.BAD_REQUEST,
    Kind.EXECUTION: HTTPStatus.UNPROCESSABLE_ENTITY,
    Kind.TIMEOUT: HTTPStatus.SERVICE_UNAVAILABLE,
    Kind.UNAVAILABLE: HTTPStatus.INTERNAL_SERVER_ERROR,
    Kind.NOT_FOUND: HTTPStatus.NOT_FOUND,
}


class ApiError(Exception):
    def __init__(self, kind: Kind, text: str) -> None:
        super().__init__(text)
        self.kind = kind


def success(data: Any, warnings: Sequence[str] = ()) -> Response:
    return raw_success(orjson.dumps(data), warnings)


def raw_success(data: bytes, warnings: Sequence[str] = ()) -> Response:
    """`data` is JSON."""
    extra = b',"warnings":' + orjson.dumps(list(warnings)) if warnings else b""
    return Response(type=JSON, body=b'{"status":"success","data":' + data + extra + b"}")


def failure(error: ApiError) -> Response:
    body = orjson.dumps({"status": "error", "errorType": error.kind, "error": str(error)})
    return Response(status=_STATUS[error.kind], type=JSON, body=body)


def text(body: str, status: HTTPStatus = HTTPStatus.OK) -> Response:
    return Response(status=status, type=TEXT, body=body.encode())
