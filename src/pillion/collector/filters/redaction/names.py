"""Fields whose names say what they hold."""

from __future__ import annotations

import re

_SECRET = re.compile(
    r"(?:.*[_\-. ])?(?:"
    r"passw(?:or)?d|passphrase|passcode|pwd|secret|token|authorization|credentials?|cookie|"
    r"(?:api|access|private|secret|auth|account|shared|encryption|signing)[_\-. ]?key|api[_\-]?token|jwt"
    r")"
)
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_LONGEST = 128

GENAI = "gen_ai"
"""The kind that dropped attributes are counted as."""
KEY = "key"
"""The kind of what was configured by the name of its field."""

_GENAI_CONTENT = (
    "gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions", "gen_ai.tool.definitions",
    "gen_ai.tool.call.arguments", "gen_ai.tool.call.result", "gen_ai.prompt", "gen_ai.completion",
)  # fmt: skip
"""OpenTelemetry's attributes with what people and models said (semantic-conventions-genai, opt-in and sensitive), and
the two that they were called before 1.28."""
GENAI_ROOT = "gen_ai"


def is_secret_name(name: str) -> bool:
    """`password`, `db_password`, `accessToken`, `X-Api-Key`; not `token_count` and `max_tokens`."""
    if len(name) > _LONGEST:
        return False
    return any(_SECRET.fullmatch(each.lower()) is not None for each in (name, _HUMP.sub("_", name)))


def is_genai_content(path: str) -> bool:
    """`path`: names from `gen_ai` on, with dots between them."""
    return path in _GENAI_CONTENT or path.startswith(_BELOW)


_BELOW = tuple(f"{name}." for name in _GENAI_CONTENT)
