"""From RE2's syntax (Go's regexp/syntax, parse.go) to that of Python's `re`, character by character.

Flags are worked out here and written around what they are for, since `re` takes them at the start only.
"""

from __future__ import annotations

import re

import msgspec

from pillion.re2.classes import (
    CLASS_ESCAPES,
    POSIX_CLASSES,
    Ranges,
    negated,
    ranges_pattern,
)

MAX_DEPTH = 100
"""Groups in groups. RE2 takes 1000, Python's compiler recurses."""
MAX_REPEAT = 1000
"""RE2's, of counts in counts multiplied too: (a{100}){11} is refused (repeatIsValid)."""

_REPEAT = re.compile(r"\{([0-9]+)(,([0-9]*))?\}", re.ASCII)
_GROUP_NAME = re.compile(r"\(\?P?<([^>]*)>")
_FLAGS = re.compile(r"\(\?([a-zA-Z]*)(?:(-)([a-zA-Z]*))?([:)])")
_QUANTIFIERS = ("*", "+", "?")
_HEX = re.compile(r"\{([0-9a-fA-F]{1,8})\}|([0-9a-fA-F]{2})")
_OCTAL = re.compile(r"0[0-7]{0,2}|[1-7][0-7]{1,2}")
_ASSERTIONS = {"A": r"(?:\A)", "z": r"(?:\Z)", "b": r"(?a:\b)", "B": r"(?a:\B)"}
"""In groups: `re` has nothing to repeat in a bare one."""
_CONTROL = {"a": "\a", "f": "\f", "t": "\t", "n": "\n", "r": "\r", "v": "\v"}


class RegexpError(ValueError):
    """The expression is none of RE2's, or one that cannot be matched here. Its text is Prometheus' message."""

    def __init__(self, text: str, what: str = "") -> None:
        super().__init__(text)
        self.what = what or text
        """The fault alone."""


class Translation(msgspec.Struct, frozen=True):
    pattern: str
    names: dict[str, int]
    """The numbers of named groups."""


class _Flags(msgspec.Struct, frozen=True):
    """`s` is set: Prometheus wraps each expression in (?s:…) (model/relabel, NewRegexp; FastRegexMatcher)."""

    i: bool = False
    m: bool = False
    s: bool = True
    U: bool = False


def translate(text: str) -> Translation:
    """Raises RegexpError with Go's message."""
    return _Translator(text).translate()


def _failure(code: str, fragment: str) -> RegexpError:
    return RegexpError(f"error parsing regexp: {code}: `{fragment}`", code)


def _unclosed(text: str) -> RegexpError:
    return _failure("missing closing )", f"^(?s:{text})$")


class _Translator:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._flags = _Flags()
        self._outer: list[_Flags] = []
        """The flags to go back to, of each open group."""
        self._names: dict[str, int] = {}
        self._groups = 0
        self._out: list[str] = []
        self._can_repeat = False
        self._count = 1
        """The largest product of counts in what was emitted last."""
        self._counts = [1]
        """The same of each group that is open, the whole expression first."""

    def translate(self) -> Translation:
        while self._at < len(self._text):
            self._take_next(self._text[self._at])
        if self._outer:
            raise _unclosed(self._text)
        return Translation("".join(self._out), self._names)

    def _take_next(self, character: str) -> None:
        match character:
            case "(":
                self._open()
            case ")":
                self._close()
            case "|":
                self._emit("|", can_repeat=False)
                self._at += 1
            case "[":
                self._class()
            case "*" | "+" | "?":
                self._quantify(character, character)
            case "{" if (found := _REPEAT.match(self._text, self._at)) is not None:
                self._repeat(found)
            case "\\":
                self._escape()
            case ".":
                self._at += 1
                self._emit("." if self._flags.s else "[^\\n]")
            case "^":
                self._at += 1
                self._emit("(?m:^)" if self._flags.m else "(?:\\A)")
            case "$":
                self._at += 1
                self._emit("(?m:$)" if self._flags.m else "(?:\\Z)")
            case _:
                self._at += 1
                self._literal(character)

    def _emit(self, pattern: str, *, can_repeat: bool = True) -> None:
        self._out.append(pattern)
        self._can_repeat = can_repeat
        self._count = 1

    def _literal(self, character: str) -> None:
        escaped = re.escape(character)
        self._emit(f"(?i:{escaped})" if self._flags.i and character.isalpha() else escaped)

    # ── groups and flags ─────────────────────────────────────────────────────────────────────────────────────────────
    def _open(self) -> None:
        text, at = self._text, self._at
        if len(self._outer) >= MAX_DEPTH:
            raise _failure("expression nests too deeply", text)
        if not text.startswith("(?", at):
            self._begin_group("(", 1)
            self._groups += 1
        elif (found := _GROUP_NAME.match(text, at)) is not None and not text.startswith(("(?<=", "(?<!"), at):
            self._name_group(found[1], found[0])
            self._begin_group("(", len(found[0]))
        elif text.startswith(("(?P<", "(?<"), at) and not text.startswith(("(?<=", "(?<!"), at):
            raise _failure("invalid named capture", text[at:] + ")$")
        else:
            self._flag_group()

    def _begin_group(self, opening: str, length: int) -> None:
        self._outer.append(self._flags)
        self._counts.append(1)
        self._emit(opening, can_repeat=False)
        self._at += length

    def _name_group(self, name: str, fragment: str) -> None:
        if not name or not all(character == "_" or character.isalnum() for character in name):
            raise _failure("invalid named capture", fragment)
        if name in self._names:
            raise _failure("duplicate capture group name", name)
        self._groups += 1
        self._names[name] = self._groups

    def _flag_group(self) -> None:
        """`(?i)` holds to the end of the group around it, `(?i:…)` inside."""
        found = _FLAGS.match(self._text, self._at)
        on, minus, off, end = found.groups() if found is not None else ("", None, None, "")
        letters = (on or "") + (off or "")
        is_flags = set(letters) <= set("imsU") and not (minus and not off) and (letters or end == ":")
        if found is None or not is_flags:
            raise _failure("invalid or unsupported Perl syntax", self._perl_syntax())
        flags = msgspec.structs.replace(
            self._flags, **dict.fromkeys(on, True), **dict.fromkeys(off or "", False)
        )
        if end == ":":
            self._begin_group("(?:", len(found[0]))
        else:
            self._at += len(found[0])
            self._emit("(?:)", can_repeat=False)
        self._flags = flags

    def _perl_syntax(self) -> str:
        """What Go quotes of it: up to the first character that is no flag."""
        end = self._at + 2
        while self._text[end : end + 1] in tuple("imsU-"):
            end += 1
        return self._text[self._at : end + 1]

    def _close(self) -> None:
        if not self._outer:
            raise _failure("unexpected )", f"^(?s:{self._text})$")
        self._flags = self._outer.pop()
        self._emit(")")
        self._count = self._counts.pop()
        self._counts[-1] = max(self._counts[-1], self._count)
        self._at += 1

    # ── repetition ───────────────────────────────────────────────────────────────────────────────────────────────────
    def _quantify(self, written: str, pattern: str) -> None:
        if not self._can_repeat:
            raise _failure("missing argument to repetition operator", written)
        self._at += len(written)
        is_lazy = self._text.startswith("?", self._at)
        self._at += is_lazy
        following = self._text[self._at : self._at + 1]
        if following in _QUANTIFIERS:
            raise _failure("invalid nested repetition operator", written + "?" * is_lazy + following)
        if (again := _REPEAT.match(self._text, self._at)) is not None:
            raise _failure("invalid nested repetition operator", written + "?" * is_lazy + again[0])
        self._emit(pattern + ("?" if is_lazy != self._flags.U else ""), can_repeat=False)

    def _repeat(self, found: re.Match[str]) -> None:
        least, has_most, most = int(found[1]), found[2] is not None, found[3]
        if least > MAX_REPEAT or (most and (int(most) > MAX_REPEAT or int(most) < least)):
            raise _failure("invalid repeat count", found[0])
        count = max(least, int(most or 0), 1) * self._count
        if count > MAX_REPEAT:
            raise _failure("invalid repeat count", found[0])
        pattern = f"{{{least},{most}}}" if has_most else f"{{{least}}}"
        self._quantify(found[0], pattern)
        self._counts[-1] = max(self._counts[-1], count)

    # ── escapes and classes ──────────────────────────────────────────────────────────────────────────────────────────
    def _escape(self) -> None:
        text, at = self._text, self._at
        following = text[at + 1 : at + 2]
        if following == "Q":
            end = text.find("\\E", at + 2)
            quoted = text[at + 2 :] if end < 0 else text[at + 2 : end]
            self._at = len(text) if end < 0 else end + 2
            for character in quoted:
                self._literal(character)
        elif following in _ASSERTIONS:
            self._at += 2
            self._emit(_ASSERTIONS[following])
        elif following in CLASS_ESCAPES:
            self._at += 2
            self._emit(ranges_pattern(CLASS_ESCAPES[following]))
        else:
            self._literal(self._escaped())

    def _escaped(self) -> str:
        """The character that an escape stands for, inside a class or not."""
        text, start = self._text, self._at
        if start + 1 >= len(text):
            raise _unclosed(text)  # it takes the bracket that Prometheus puts behind the expression
        following = text[start + 1]
        if following in "pP":
            code = "Unicode classes are not supported here, list the characters"
            raise _failure(code, text[start : start + 3])
        self._at += 2
        if following in _CONTROL:
            return _CONTROL[following]
        if following == "x" and (found := _HEX.match(text, self._at)) is not None:
            point = int(found[1] or found[2], 16)
            if point <= 0x10FFFF and not 0xD800 <= point < 0xE000:
                self._at = found.end()
                return chr(point)
        elif (found := _OCTAL.match(text, start + 1)) is not None:
            self._at = found.end()
            return chr(int(found[0], 8))
        elif following.isascii() and not following.isalnum():
            return following
        raise _failure("invalid escape sequence", text[start : start + 2])

    def _class(self) -> None:
        text, start = self._text, self._at
        self._at += 1
        is_negated = text.startswith("^", self._at)
        self._at += is_negated
        ranges: Ranges = []
        while not ranges or not text.startswith("]", self._at):
            if self._at >= len(text):
                raise _failure("missing closing ]", text[start:] + ")$")
            self._class_item(ranges, start)
        self._at += 1
        if self._flags.i:
            # Folded before it is negated: (?i)[^a] does not match A.
            inside = ranges_pattern(ranges)[1:]
            self._emit(f"(?i:[^{inside})" if is_negated else f"(?i:[{inside})")
        else:
            self._emit(ranges_pattern(negated(ranges) if is_negated else ranges))

    def _class_item(self, ranges: Ranges, start: int) -> None:
        text = self._text
        if text.startswith("[:", self._at) and (end := text.find(":]", self._at + 2)) >= 0:
            name = text[self._at : end + 2]
            found = POSIX_CLASSES.get(name)
            if found is None:
                raise _failure("invalid character class range", name)
            ranges += found
            self._at = end + 2
            return
        if text[self._at] == "\\" and (found := CLASS_ESCAPES.get(text[self._at + 1 : self._at + 2])):
            ranges += found
            self._at += 2
            return
        item_start = self._at
        low = self._class_character(start)
        if text.startswith("-", self._at) and text[self._at + 1 : self._at + 2] not in ("]", ""):
            self._at += 1
            high = self._class_character(start)
            if ord(high) < ord(low):
                raise _failure("invalid character class range", text[item_start : self._at])
            ranges.append((ord(low), ord(high)))
        else:
            ranges.append((ord(low), ord(low)))

    def _class_character(self, start: int) -> str:
        if self._at >= len(self._text):
            raise _failure("missing closing ]", self._text[start:] + ")$")
        if self._text[self._at] == "\\":
            return self._escaped()
        self._at += 1
        return self._text[self._at - 1]
