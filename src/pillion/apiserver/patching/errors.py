"""Why a patch was refused, in Kubernetes' words (apimachinery: api/errors/errors.go, apiserver: handlers/patch.go)."""

from __future__ import annotations

import msgspec

from pillion.errors import PillionError


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """One of `details.causes` in a Status."""

    reason: str
    message: str
    field: str


class PatchError(PillionError):
    """The patch cannot be applied; what the client is told.

    `reason` is Status.reason; empty where Kubernetes itself has none to give (an error of its merge libraries).
    """

    def __init__(self, status: int, reason: str, message: str, causes: tuple[Cause, ...] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.causes = causes


def bad_request(message: str) -> PatchError:
    return PatchError(400, "BadRequest", message)


def unprocessable() -> PatchError:
    """A well-formed patch that does not fit the object.

    Kubernetes drops the reason on its way to the client (NewGenericServerResponse with an expected 422), so do we.
    """
    return PatchError(422, "Invalid", "the server rejected our request due to an error in our request")


def merge_failure(message: str) -> PatchError:
    """An error that Kubernetes' merge libraries return and its handlers pass on as they are: a bare 500."""
    return PatchError(500, "", message)


def too_many_operations(limit: int, found: int) -> PatchError:
    return PatchError(
        413,
        "RequestEntityTooLarge",
        "Request entity is too large: "
        f"The allowed maximum operations in a JSON patch is {limit}, got {found}",
    )
