"""Values without what must not be seen: maps, arrays and texts, JSON in texts included."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec

from pillion.collector.filters.redaction.checksums import is_card
from pillion.collector.filters.redaction.detectors import Detector, Kind, Span
from pillion.collector.filters.redaction.names import GENAI, GENAI_ROOT, KEY, is_genai_content, is_secret_name
from pillion.collector.records import Body, encode_value
from pillion.collector.records.bodies import as_text

Found: TypeAlias = tuple[int, int, str]
"""From, to, and the kind."""
_MOST_NAMES = 4096
_DIGEST = 16
_PUNCTUATION = str.maketrans("", "", " -./()")


class Redactor(msgspec.Struct, frozen=True, kw_only=True):
    detectors: tuple[Detector, ...]
    keys: frozenset[str] = frozenset()
    """Names in lower case, of fields whose values are replaced whatever they are."""
    ignored: frozenset[str] = frozenset()
    """Names in lower case, of fields that are left alone."""
    by_name: bool = True
    """Texts in fields that are called like secrets are secrets."""
    drops_genai: bool = True
    allowed: tuple[re.Pattern[str], ...] = ()
    hash_key: bytes | None = None
    """None: a mask."""
    found: Callable[[str], None] = lambda _: None
    """Told the kind of everything that was replaced or dropped."""

    clean_names: set[str] = msgspec.field(default_factory=set)
    """Names of fields that were looked at: they come again and again."""

    def only(self, kinds: frozenset[str]) -> Redactor:
        """One that looks for these only: of the others it is known that there are none."""
        return msgspec.structs.replace(
            self,
            detectors=tuple(each for each in self.detectors if each.kind in kinds),
            keys=self.keys if KEY in kinds else frozenset(),
            by_name=self.by_name and Kind.SECRET in kinds,
            drops_genai=self.drops_genai and GENAI in kinds,
            clean_names=set(),
        )

    def body(self, body: Body) -> Body:
        return self._map(body, "")

    def field(self, name: str, value: Any) -> Any:
        """One field's value, which may be replaced because of its name."""
        return self._member(name, value, "")

    # ── values ───────────────────────────────────────────────────────────────────────────────────────────────────────
    def _value(self, value: Any, path: str) -> Any:
        if isinstance(value, bytes):
            text = as_text(value)
            redacted = self.text(text)
            return value if redacted == text else redacted
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return self._map(value, path)
        if isinstance(value, list | tuple):
            kept = [each for each in value if not self._is_genai_attribute(each)]
            return [self._value(each, path) for each in kept]
        if isinstance(value, int) and not isinstance(value, bool):
            return self._number(value)
        return value

    def _map(self, body: dict[Any, Any], path: str) -> Body:
        redacted: Body = {}
        for name, value in body.items():
            inner = _path(path, name)
            if self.drops_genai and inner and is_genai_content(inner):
                self.found(GENAI)
                continue
            redacted[self._name(name)] = self._member(name, value, inner)
        return redacted

    def _name(self, name: Any) -> Any:
        if name in self.clean_names or not isinstance(name, str):
            return name
        redacted = self.text(name)
        if redacted == name and len(self.clean_names) < _MOST_NAMES:
            self.clean_names.add(name)
        return redacted

    def _member(self, name: Any, value: Any, path: str) -> Any:
        lowered = name.lower() if isinstance(name, str) else ""
        if lowered in self.ignored:
            return value
        if lowered in self.keys:
            return self._replaced(KEY, value if isinstance(value, str) else encode_value(value).decode())
        if self.by_name and isinstance(value, str) and value and is_secret_name(str(name)):
            return self._secret(value)
        return self._value(value, path)

    def _is_genai_attribute(self, each: Any) -> bool:
        """`{"key": "gen_ai.input.messages", "value": …}`, as OTLP has it."""
        if not (self.drops_genai and isinstance(each, dict)):
            return False
        name = each.get("key")
        if not (isinstance(name, str) and is_genai_content(name)):
            return False
        self.found(GENAI)
        return True

    def _number(self, value: int) -> Any:
        digits = str(value)
        is_looked_for = any(each.kind == Kind.CARD for each in self.detectors)
        if is_looked_for and is_card(digits) and not self._is_allowed(digits):
            return self._replaced(Kind.CARD, digits)
        return value

    def _secret(self, value: str) -> str:
        if value.startswith("[redacted:") or self._is_allowed(value):
            return value
        return self._replaced(Kind.SECRET, value)

    # ── texts ────────────────────────────────────────────────────────────────────────────────────────────────────────
    def text(self, text: str) -> str:
        decoded = _json(text)
        if decoded is not None:
            # Its strings are looked at without their escapes. Where it says a name twice, it is written anew: what a
            # reader of JSON does not see is gone as well.
            value, is_plain = decoded
            redacted = self._value(value, "")
            return text if is_plain and redacted == value else encode_value(redacted).decode()
        chosen: list[Found] = []
        for detector in self.detectors:
            if not detector.needles or any(needle in text for needle in detector.needles):
                spans = [span for span in detector.spans(text) if not self._is_allowed(text[slice(*span)])]
                chosen = _with_those_between(chosen, spans, detector.kind) if spans else chosen
        if not chosen:
            return text
        parts: list[str] = []
        position = 0
        for start, end, kind in chosen:
            parts += (text[position:start], self._replaced(kind, text[start:end]))
            position = end
        return "".join([*parts, text[position:]])

    def _is_allowed(self, value: str) -> bool:
        return any(pattern.fullmatch(value) is not None for pattern in self.allowed)

    def _replaced(self, kind: str, value: str) -> str:
        self.found(kind)
        if self.hash_key is None:
            return f"[redacted:{kind}]"
        # The same number is the same, however it is written; kinds do not tell of each other.
        plain = value.translate(_PUNCTUATION) if kind in (Kind.CARD, Kind.IBAN, Kind.PHONE) else value
        plain = plain.lower() if kind == Kind.EMAIL else plain
        digest = hmac.new(self.hash_key, f"{kind}:{plain}".encode("utf-8", "replace"), hashlib.sha256)
        return f"[redacted:{kind}:{digest.hexdigest()[:_DIGEST]}]"


def _with_those_between(chosen: list[Found], spans: list[Span], kind: str) -> list[Found]:
    """Both in order; of `spans` those that are not in the way of what was chosen before."""
    merged: list[Found] = []
    rest = iter(chosen)
    following = next(rest, None)
    for start, end in spans:
        while following is not None and following[1] <= start:
            merged.append(following)
            following = next(rest, None)
        if following is None or end <= following[0]:
            merged.append((start, end, kind))
    if following is not None:
        merged += (following, *rest)
    return merged


def _path(path: str, name: Any) -> str:
    """From `gen_ai` on; empty outside of it."""
    if path:
        return f"{path}.{name}"
    return name if isinstance(name, str) and name.split(".", 1)[0] == GENAI_ROOT else ""


def _json(text: str) -> tuple[Any, bool] | None:
    """The object or array that `text` is, and whether its names are all different; None for any other text."""
    if text.lstrip(" \t\r\n")[:1] not in ("{", "["):
        return None
    is_plain = True

    def member_map(pairs: list[tuple[str, Any]]) -> Body:
        nonlocal is_plain
        members = dict(pairs)
        is_plain &= len(members) == len(pairs)
        return members

    try:
        return json.loads(text, object_pairs_hook=member_map), is_plain
    except (ValueError, RecursionError):
        return None
