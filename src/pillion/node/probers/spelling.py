"""How Go spells strings and system errors.

Probe messages reach people as Events, and what they read there comes out of Go's standard library. Runbooks and
search engines know those sentences, so ours are the same.
"""

from __future__ import annotations

import os
import re

_ESCAPED = re.compile(r'["\\\x00-\x1f\x7f]')
_NAMED = {
    '"': '\\"',
    "\\": "\\\\",
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
}


def quote(text: str) -> str:
    """Go's %q for text: double quotes, escapes for quotes, backslashes and control characters."""
    return '"' + _ESCAPED.sub(lambda m: _NAMED.get(m[0]) or f"\\x{ord(m[0]):02x}", text) + '"'


def format_errno(error: OSError) -> str:
    """Go's text for a system error: the C library's, in lower case."""
    return os.strerror(error.errno).lower() if error.errno else str(error)


def join_host_port(host: str, port: int) -> str:
    """net.JoinHostPort: IPv6 addresses in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
