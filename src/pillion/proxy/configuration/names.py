"""Names, addresses and paths in `proxy.yaml`."""

from __future__ import annotations

import ipaddress
import re
from pathlib import PurePosixPath
from typing import Any

from pillion.proxy.configuration.failure import Wrong
from pillion.proxy.configuration.reading import At, Json, Reading, Scalar
from pillion.proxy.configuration.scalars import Text, as_text
from pillion.re2 import RegexpError, translate
from pillion.yamltree import Node, ScalarNode

_LABEL = r"[a-z0-9_](?:[-a-z0-9_]{0,61}[a-z0-9_])?"
# Envoy's RE2 takes a text for Latin-1, which has no such characters.
_BEYOND_BYTES = re.compile(r"(?<!\\)(?:\\\\)*\\x\{0*[1-9a-fA-F][0-9a-fA-F]{2,}\}")
DNS_NAME = rf"{_LABEL}(?:\.{_LABEL})*"


_LONGEST_NAME = 253
_ENDPOINT = re.compile(
    r"http://(?P<host>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9_.-]+)(?::(?P<port>[0-9]{1,5}))?(?:/[!\"$->@-~]*)?",
    re.ASCII,
)


class Regex(Scalar[str], frozen=True, kw_only=True):
    """RE2's syntax, of the whole text."""

    @property
    def noun(self) -> str:
        return "a regular expression"

    @property
    def takes(self) -> str:
        return "regular expression (RE2), of the whole text"

    def parse(self, node: ScalarNode) -> str:
        text = as_text(node)
        if not text:
            raise Wrong("is empty", "write .* for anything")
        try:
            translate(text)
        except RegexpError as error:
            raise Wrong(f"{text!r} is no regular expression of RE2: {error.what}") from None
        if not text.isascii() or _BEYOND_BYTES.search(text):
            raise Wrong(
                f"{text!r} has characters beyond ASCII, and Envoy matches bytes", "write them as \\xNN"
            )
        return text

    def schema(self) -> Json:
        return {"type": "string", "minLength": 1}


class UrlPath(Scalar[str], frozen=True, kw_only=True):
    """A path that a request can have, after it has been put in order."""

    otherwise: str = "can never match"

    @property
    def noun(self) -> str:
        return "a path like /v1"

    @property
    def takes(self) -> str:
        return "path"

    def parse(self, node: ScalarNode) -> str:
        text = as_text(node)
        if not text.startswith("/"):
            raise Wrong(f"{text!r} {self.otherwise}: a path begins with /", f"write /{text}")
        if found := re.search(r"[?#]", text):
            raise Wrong(
                f"{text!r} {self.otherwise}: what follows {found[0]} is no part of the path", "leave it out"
            )
        if not re.fullmatch(r"[!-~]+", text) or "\\" in text:
            raise Wrong(
                f"{text!r} {self.otherwise}: such characters come percent-encoded",
                "write them as %20, %C3%A4",
            )
        if "//" in text or {".", ".."} & set(text.split("/")):
            raise Wrong(
                f"{text!r} {self.otherwise}: requests' //, /./ and /../ are resolved first",
                "write it resolved",
            )
        return text

    def schema(self) -> Json:
        return {"type": "string", "pattern": "^/[^?#\\s]*$"}


class FilePath(Text, frozen=True, kw_only=True):
    """Of a file or folder; a relative one begins at the folder of `proxy.yaml`."""

    def read(self, node: Node, at: At, reading: Reading) -> str:
        text = super().read(node, at, reading)
        return str(PurePosixPath(reading.file).parent / text)


class Address(Scalar[str], frozen=True, kw_only=True):
    """Of this machine."""

    @property
    def noun(self) -> str:
        return "an IP address like 0.0.0.0 or ::"

    @property
    def takes(self) -> str:
        return "IP address"

    def parse(self, node: ScalarNode) -> str:
        try:
            return str(ipaddress.ip_address(as_text(node)))
        except ValueError:
            raise Wrong(f"{node.text!r} is no IP address", "0.0.0.0 is all of IPv4, :: all of IPv6") from None

    def schema(self) -> Json:
        return {"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]}


class Endpoint(Scalar[str], frozen=True, kw_only=True):
    """An URL in plain text."""

    @property
    def noun(self) -> str:
        return "a URL like http://localhost:4318/v1/traces"

    @property
    def takes(self) -> str:
        return "URL"

    def parse(self, node: ScalarNode) -> str:
        text = as_text(node)
        if text.startswith("https://"):
            raise Wrong(
                f"{text!r} is https, which is not spoken here", "send to a collector beside it, by http"
            )
        found = _ENDPOINT.fullmatch(text)
        if found is None:
            raise Wrong(f"{text!r} is no endpoint", f"write {self.noun}")
        host, port = found["host"], found["port"]
        is_host = is_address(host[1:-1]) if host[0] == "[" else re.fullmatch(DNS_NAME, host.lower(), re.ASCII)
        if not is_host or len(host) > _LONGEST_NAME or not 1 <= int(port or 1) <= 65535:
            raise Wrong(f"{text!r} has no such host or port", f"write {self.noun}")
        return text

    def schema(self) -> Json:
        return {"type": "string", "pattern": "^http://[^/?#]+(/[^?#]*)?$"}


class HostAndPort(Scalar[tuple[str, int]], frozen=True, kw_only=True):
    @property
    def noun(self) -> str:
        return "an address like model.default.svc:8443 or 10.0.0.7:8443"

    @property
    def takes(self) -> str:
        return "`HOST:PORT`"

    def parse(self, node: ScalarNode) -> tuple[str, int]:
        text = as_text(node)
        host, colon, port = text.rpartition(":")
        if "://" in text:
            raise Wrong(f"{text!r} is a URL", "write HOST:PORT")
        if not colon or not re.fullmatch(r"[0-9]{1,5}", port, re.ASCII):
            raise Wrong(f"{text!r} has no port", "write HOST:PORT")
        if not 1 <= int(port) <= 65535:
            raise Wrong(f"port {port} is out of range", "write one from 1 to 65535")
        host = host.lower()
        if host.startswith("[") and host.endswith("]") and is_address(host[1:-1]):
            return host[1:-1], int(port)
        if ":" in host and is_address(host):
            raise Wrong(f"{text!r} is ambiguous", f"write [{host}]:{port}")
        if not is_address(host) and (not re.fullmatch(DNS_NAME, host, re.ASCII) or len(host) > 253):
            raise Wrong(f"{host!r} is no name and no address", f"write {self.noun}")
        return host, int(port)

    def write(self, value: Any) -> Any:
        host, port = value
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def schema(self) -> Json:
        return {"type": "string", "pattern": r"^.+:[0-9]{1,5}$"}


def is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


HOST_NAME = Text(said="host name", pattern=DNS_NAME, example="model.default.svc", longest=253, lower=True)
HOSTS = Text(
    said="host name without a port", pattern=rf"(?:\*\.)?{DNS_NAME}", example="agent.example.org or *.example.org",
    longest=253, lower=True,
)  # fmt: skip
HEADER_NAME = Text(
    said="header name", pattern=r"[a-z0-9!#$%&'*+.^_`|~-]+", example="x-model", longest=256, lower=True
)
METHOD = Text(said="method in capitals", pattern=r"[A-Z][A-Z-]*", example="POST", longest=32)
PLAIN = Text(said="text")
NAME = Text(said="name", pattern=r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?", example="agent", longest=63)
