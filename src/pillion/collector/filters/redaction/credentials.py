"""Credentials in a text: by how they look, and by the name that stands before them.

Sources: the formats that their issuers document (GitHub, AWS, Google, OpenAI, Anthropic, Slack, GitLab, Stripe, npm,
PyPI, Hugging Face, SendGrid), RFC 7519 (JWT), RFC 6750 and 7617 (Bearer, Basic), RFC 7468 (PEM).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator

_TOKEN = re.compile(
    r"""
    -----BEGIN[ ][A-Z0-9 ]{0,40}PRIVATE[ ]KEY(?:[ ]BLOCK)?-----
      (?s:.*?)(?:-----END[ ][A-Z0-9 ]{0,40}PRIVATE[ ]KEY(?:[ ]BLOCK)?-----|\Z)
    | (?<![A-Za-z0-9])(?:
        (?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Za-z0-9])
      | gh[pousr]_[A-Za-z0-9]{36,255}
      | github_pat_[A-Za-z0-9_]{22,255}
      | glpat-[A-Za-z0-9_\-]{20,255}
      | sk-[A-Za-z0-9_\-]{20,255}
      | [sr]k_(?:live|test)_[A-Za-z0-9]{16,255}
      | whsec_[A-Za-z0-9+/=]{16,255}
      | xox[abceoprs]-[A-Za-z0-9\-]{10,255}
      | xapp-[A-Za-z0-9\-]{20,255}
      | AIza[A-Za-z0-9_\-]{35}
      | ya29\.[A-Za-z0-9_\-.]{20,511}
      | GOCSPX-[A-Za-z0-9_\-]{20,255}
      | npm_[A-Za-z0-9]{36}
      | hf_[A-Za-z0-9]{30,255}
      | pypi-[A-Za-z0-9_\-]{50,511}
      | SG\.[A-Za-z0-9_\-]{16,64}\.[A-Za-z0-9_\-]{16,64}
      | eyJ[A-Za-z0-9_\-]{8,}+\.[A-Za-z0-9_\-]{8,}+(?:\.[A-Za-z0-9_\-]*+)?
    )
    | (?<=hooks\.slack\.com/services/)[A-Za-z0-9/]{20,255}
    """,
    re.VERBOSE,
)
TOKEN_NEEDLES = (
    "PRIVATE KEY", "AKIA", "ASIA", "ABIA", "ACCA", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-",
    "sk-", "k_live_", "k_test_", "whsec_", "xox", "xapp-", "AIza", "ya29.", "GOCSPX-", "npm_", "hf_", "pypi-", "SG.",
    "eyJ", "hooks.slack.com",
)  # fmt: skip
"""Every token has one of them."""
_IN_URL = re.compile(r"""://([^\s/@:"'<>]{0,256}:[^\s/@"'<>]{1,256})@""")

_BEARER = re.compile(r"(?i:\b(bearer|basic)[ ]{1,3})([A-Za-z0-9._~+/\-]{8,}+=*+)", re.ASCII)
_KEY_VALUE = re.compile(
    r"""
    (?: (?P<password>passw(?:or)?d|passphrase|passcode|pwd|(?<![a-z])pass)
      | secret[_\-]?access[_\-]?key | (?:client[_\-]?)?secret(?:[_\-]?key)? | token
      | (?:api|access|private|auth|account|shared)[_\-. ]?key | authorization | credentials?
      | session[_\-]?id | (?P<cookie>cookie)
    )
    \\?["']? [ \t]{0,3} (?P<separator>=>|=|:) [ \t]{0,3}
    (?: \\?(?P<quote>["']) (?P<quoted>[^"'\\\r\n]{1,4096}) | (?P<plain>[^\s"'\\,;&|)\]}<>]++) )
    """,
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)
_KEY_WORDS = ("pass", "pwd", "secret", "token", "key", "authorization", "credential", "session", "cookie")
"""Every pair of a key and a value has one of these in its key, in lower case."""

_ORDINARY = """
null none nil true false undefined unset empty missing invalid required expired incorrect wrong bearer basic digest
negotiate redacted hidden
"""
_NO_SECRETS = frozenset(_ORDINARY.split())
_MASK = re.compile(r"[*•]+|[xX.\-]{4,}")
_LEAST_PROSE, _LEAST_PASSWORD, _LEAST = 12, 6, 6
"""Characters of what counts as a secret: after `token: ` in a sentence, after `password: ` in one, after `token=`."""


def token_spans(text: str) -> Iterator[tuple[int, int]]:
    if any(needle in text for needle in TOKEN_NEEDLES):
        for found in _TOKEN.finditer(text):
            yield found.span()


def url_spans(text: str) -> Iterator[tuple[int, int]]:
    """User and password."""
    for found in _IN_URL.finditer(text):
        yield found.span(1)


def bearer_spans(text: str) -> Iterator[tuple[int, int]]:
    if not any(scheme in text.lower() for scheme in ("bearer", "basic")):
        return
    for found in _BEARER.finditer(text):
        if _is_basic(found[2]) if found[1].lower() == "basic" else _is_mixed(found[2]):
            yield found.span(2)


def key_value_spans(text: str) -> Iterator[tuple[int, int]]:
    lowered = text.lower()
    if not any(word in lowered for word in _KEY_WORDS):
        return
    for found in _KEY_VALUE.finditer(text):
        group = "quoted" if found["quoted"] is not None else "plain"
        if _is_secret(found, found[group]):
            yield found.span(group)


def _is_secret(found: re.Match[str], value: str) -> bool:
    if (
        value.lower().strip(".!?") in _NO_SECRETS
        or _MASK.fullmatch(value) is not None
        or value.startswith("[redacted:")
    ):
        return False
    if value.startswith(("${", "$(", "{{", "%(", "<")):
        return False
    is_prose = found["separator"] == ":" and found["quoted"] is None
    if found["password"]:
        return not is_prose or (len(value) >= _LEAST_PASSWORD and not value.rstrip(".,!?").isalpha())
    if is_prose and not found["cookie"]:
        return len(value) >= _LEAST_PROSE and _is_mixed(value)
    return len(value) >= _LEAST and not value.isdecimal()


def _is_mixed(text: str) -> bool:
    """Words have no digits among their letters, and no letters of both cases in their middle."""
    has_digit = any(character.isdigit() for character in text)
    has_letter = any(character.isalpha() for character in text)
    return has_letter and (has_digit or not (text[1:].islower() or text.isupper()))


def _is_basic(text: str) -> bool:
    """RFC 7617: `user:password` in base64."""
    try:
        return b":" in base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
