"""What the API says instead of an object: `Status` bodies, spelled as Kubernetes spells them.

Source: apimachinery, pkg/api/errors/errors.go (the constructors there have the same names).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from pillion.apiserver.registry import Resource
    from pillion.objects import FieldError

Tree = dict[str, Any]

STALE = "the object has been modified; please apply your changes to the latest version and try again"


class ApiError(Exception):
    """An answer that is not the object asked for. Raised anywhere below a route, written by the route."""

    def __init__(self, code: int, reason: str, message: str, details: Tree | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details

    def tree(self) -> Tree:
        tree: Tree = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            tree["reason"] = self.reason
        if self.details:
            tree["details"] = self.details
        return tree | {"code": self.code}

    @property
    def retry_after_seconds(self) -> int | None:
        return (self.details or {}).get("retryAfterSeconds")


def success(resource: Resource | None = None, name: str = "", uid: str = "", code: int | None = None) -> Tree:
    """The Status of something done that leaves no object to show."""
    tree: Tree = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    if resource is not None:
        tree["details"] = _details(resource, name) | ({"uid": uid} if uid else {})
    if code is not None:
        tree["code"] = code
    return tree


def _details(resource: Resource, name: str, *, kind: str | None = None) -> Tree:
    details: Tree = {}
    if name:
        details["name"] = name
    if resource.group:
        details["group"] = resource.group
    return details | {"kind": kind or resource.plural}


def bad_request(message: str) -> ApiError:
    return ApiError(400, "BadRequest", message)


def unauthorized() -> ApiError:
    return ApiError(401, "Unauthorized", "Unauthorized")


def forbidden(resource: Resource, name: str, why: str) -> ApiError:
    """An admission plugin, or the authorizer, says no."""
    subject = f'{resource.qualified} "{name}"' if name else resource.qualified
    return ApiError(403, "Forbidden", f"{subject} is forbidden: {why}", _details(resource, name))


def not_found(resource: Resource, name: str) -> ApiError:
    return ApiError(404, "NotFound", f'{resource.qualified} "{name}" not found', _details(resource, name))


def no_such_path() -> ApiError:
    """For a path that is no resource of ours. Kubernetes words it so, and kubectl knows the words."""
    return ApiError(404, "NotFound", "the server could not find the requested resource", {})


def method_not_allowed(resource: Resource, verb: str) -> ApiError:
    message = f"{verb} is not supported on resources of kind {_quoted(resource.qualified)}"
    return ApiError(405, "MethodNotAllowed", message, _details(resource, ""))


def refused(resource: Resource, name: str, sentence: str) -> ApiError:
    """pillion does not do this, and says so in its own words."""
    return ApiError(405, "MethodNotAllowed", sentence, _details(resource, name))


def not_acceptable(accepted: Sequence[str]) -> ApiError:
    message = f"only the following media types are accepted: {', '.join(accepted)}"
    return ApiError(406, "NotAcceptable", message)


def unsupported_media_type(accepted: Sequence[str]) -> ApiError:
    message = "the body of the request was in an unknown format - accepted media types include: " + ", ".join(
        accepted
    )
    return ApiError(415, "UnsupportedMediaType", message)


def already_exists(resource: Resource, name: str) -> ApiError:
    message = f'{resource.qualified} "{name}" already exists'
    return ApiError(409, "AlreadyExists", message, _details(resource, name))


def conflict(resource: Resource, name: str, why: str = STALE) -> ApiError:
    message = f'Operation cannot be fulfilled on {resource.qualified} "{name}": {why}'
    return ApiError(409, "Conflict", message, _details(resource, name))


def expired(message: str) -> ApiError:
    return ApiError(410, "Expired", message)


def too_large() -> ApiError:
    return ApiError(413, "RequestEntityTooLarge", "Request entity too large: limit is 3145728")


def invalid(
    kind: str, name: str, errors: Sequence[FieldError], *, group: str = "", details_kind: str | None = None
) -> ApiError:
    """Each error once, one bare, several in brackets."""
    qualified = f"{kind}.{group}" if group else kind
    sentences = list(dict.fromkeys(str(error) for error in errors))
    listed = sentences[0] if len(sentences) == 1 else f"[{', '.join(sentences)}]"
    details: Tree = {"name": name} if name else {}
    if group:
        details["group"] = group
    details |= {
        "kind": details_kind or kind,
        "causes": [
            {"reason": str(error.type), "message": error.body, "field": error.field} for error in errors
        ],
    }
    return ApiError(422, "Invalid", f"{qualified} {_quoted(name)} is invalid: {listed}", details)


def too_many_requests(message: str, retry_after_seconds: int) -> ApiError:
    return ApiError(429, "TooManyRequests", message, {"retryAfterSeconds": retry_after_seconds})


def internal_error(message: str) -> ApiError:
    return ApiError(
        500,
        "InternalError",
        f"Internal error occurred: {message}",
        {"causes": [{"message": message}]},
    )


def resource_version_too_large(asked: int, current: int) -> ApiError:
    """The client knows a revision that this server has not reached (apiserver: storage/errors.go)."""
    message = f"Timeout: Too large resource version: {asked}, current: {current}"
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    return ApiError(504, "Timeout", message, {"causes": [cause], "retryAfterSeconds": 1})


def encode(error: ApiError) -> bytes:
    return msgspec.json.encode(error.tree())


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
