"""Image references: `nginx`, `quay.io/app:v1`, `app@sha256:…`, and what they are short for.

The grammar and the wording of its errors are those of distribution/reference, which the kubelet and containerd use
(kubelet: pkg/util/parsers, ParseImageName).
"""

from __future__ import annotations

import re

import msgspec

DEFAULT_DOMAIN = "docker.io"
DEFAULT_TAG = "latest"
_MAX_NAME = 255

_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?")
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", re.ASCII)
_DIGEST = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}")
_IMAGE_ID = re.compile(r"[a-f0-9]{64}")


class InvalidReferenceError(ValueError):
    """Not an image reference; the text is distribution/reference's."""


class Reference(msgspec.Struct, frozen=True, kw_only=True):
    """A reference, its registry and its `library/` filled in. Tag and digest as written."""

    repository: str
    """`docker.io/library/nginx`"""
    tag: str | None = None
    digest: str | None = None

    def __str__(self) -> str:
        """With the default tag, unless a digest already says which image is meant."""
        tag = self.tag if self.tag or self.digest else DEFAULT_TAG
        return self.repository + (f":{tag}" if tag else "") + (f"@{self.digest}" if self.digest else "")

    def covers(self, asked: Reference) -> bool:
        """Whether an image given for this name may be used for `asked`: no tag here means any tag."""
        if self.repository != asked.repository:
            return False
        if self.digest is not None:
            return self.digest == asked.digest
        if self.tag is None:
            return True
        return self.tag == (asked.tag or (None if asked.digest else DEFAULT_TAG))


def parse_reference(text: str) -> Reference:
    """Raises InvalidReferenceError."""
    if _IMAGE_ID.fullmatch(text):
        raise InvalidReferenceError(
            f"invalid repository name ({text}), cannot specify 64-byte hexadecimal strings"
        )
    name, _, digest = text.partition("@")
    if "@" in text and not _DIGEST.fullmatch(digest):
        raise InvalidReferenceError("invalid reference format")
    tag: str | None = None
    if ":" in name.rpartition("/")[2]:
        name, _, tag = name.rpartition(":")
        if not _TAG.fullmatch(tag):
            raise InvalidReferenceError("invalid reference format")
    domain, path = _split_domain(name)
    if path.lower() != path:
        raise InvalidReferenceError(f"invalid reference format: repository name ({path}) must be lowercase")
    if not _DOMAIN.fullmatch(domain) or not _PATH.fullmatch(path):
        raise InvalidReferenceError("invalid reference format")
    if len(path) > _MAX_NAME:
        raise InvalidReferenceError(f"repository name must not be more than {_MAX_NAME} characters")
    return Reference(repository=f"{domain}/{path}", tag=tag, digest=digest or None)


def _split_domain(name: str) -> tuple[str, str]:
    """The first component is a registry when it looks like a host: a dot, a port, `localhost` or upper case."""
    first, slash, rest = name.partition("/")
    is_host = bool(slash) and ("." in first or ":" in first or first == "localhost" or first.lower() != first)
    domain, path = (first, rest) if is_host else (DEFAULT_DOMAIN, name)
    if domain == "index.docker.io":
        domain = DEFAULT_DOMAIN
    if domain == DEFAULT_DOMAIN and "/" not in path:
        path = f"library/{path}"
    return domain, path
