"""Why there is no image to run: Kubernetes' reasons, and what the reader can do about it."""

from __future__ import annotations

from enum import StrEnum

from pillion.errors import HostError


class PullFailure(StrEnum):
    """Waiting reasons (kubelet: pkg/kubelet/images/types.go)."""

    PULL = "ErrImagePull"
    NEVER_PULL = "ErrImageNeverPull"
    INVALID_NAME = "InvalidImageName"
    INSPECT = "ImageInspectError"


class ImageError(HostError):
    """An image cannot be had. `reason` is the container's waiting reason, the text its message."""

    def __init__(self, reason: PullFailure, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class ArchiveError(HostError):
    """A file is not an image archive, is damaged, or tries what an archive may not."""
