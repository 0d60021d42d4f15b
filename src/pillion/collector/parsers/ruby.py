"""Ruby's regular expressions (Onigmo, as Fluent Bit compiles them) for Python's `re`.

What differs and is translated: `(?<name>…)`, names given twice, plain groups that capture nothing beside named ones,
`^` and `$` at every line, `m` for "dot matches newline", options that hold to the end of their group, `\\h`, `\\R`,
`\\z`, `\\Z`, `\\d \\w \\s` in ASCII only, POSIX brackets, nested and intersected character classes, look-behind with
alternatives of different lengths, `{n}+`. Possessive quantifiers and atomic groups are the same. What `re` cannot do is
refused by name: absence groups, `\\K`, `\\X`, `\\G`, calls of groups, conditions.

Sources: Onigmo's doc/RE and Fluent Bit's src/flb_regex.c.
"""

from __future__ import annotations

import re
from collections.abc import Set

import msgspec

from pillion.collector.parsers.rubyclass import TYPES, parse_class, property_class
from pillion.collector.parsers.rubyscan import Scanner, UnsupportedError


class RubyRegex(msgspec.Struct, frozen=True):
    """A pattern as it was written, and what stands for it here."""

    source: str
    pattern: re.Pattern[str]
    names: tuple[tuple[str, tuple[int, ...]], ...]
    """Each name in the order of its first group, with the numbers of all its groups."""

    def search(self, text: str) -> re.Match[str] | None:
        return self.pattern.search(text)


def compile_ruby(written: str) -> RubyRegex:
    """A pattern as configurations write it, `/…/` and `/…/i` included. Raises ValueError, with what is wrong."""
    source, options = _unwrap(written)
    translation = _Translation(source, options)
    text = translation.pattern()
    try:
        compiled = re.compile(text, re.MULTILINE)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"the pattern {written} cannot be used: {error}") from None
    return RubyRegex(
        source=written,
        pattern=compiled,
        names=tuple((name, tuple(numbers)) for name, numbers in translation.names.items()),
    )


def _unwrap(written: str) -> tuple[str, frozenset[str]]:
    """flb_regex.c, `check_option`: letters after the last slash are options only if all of them are."""
    if written.startswith("/"):
        end = written.rfind("/")
        letters = frozenset(written[end + 1 :])
        if end > 0 and letters & set("imx") and letters <= set("imxo"):
            return written[1:end], letters - {"o"}
        if end > 0 and end == len(written) - 1:
            return written[1:end], frozenset()
    return written, frozenset()


class _Translation:
    """One pattern on its way. Groups are counted as they open."""

    def __init__(self, source: str, options: frozenset[str]) -> None:
        self._scan = Scanner(source)
        self._options = options
        self._named = _has_names(source)
        self._groups = 0
        self.names: dict[str, list[int]] = {}

    def pattern(self) -> str:
        try:
            body = self._alternatives(extended="x" in self._options)
            if not self._scan.at_end:
                raise ValueError("unmatched )")
        except ValueError as error:
            raise ValueError(f"the pattern {self._scan.text} cannot be used: {error}") from None
        flags = _letters(self._options)
        return f"(?{flags}:{body})" if flags else body

    # ── sequences ────────────────────────────────────────────────────────────────────────────────────────────────────
    def _alternatives(self, *, extended: bool) -> str:
        """Up to the `)` that ends the group, or the end."""
        branches = [self._branch(extended=extended)]
        while self._scan.take("|"):
            branches.append(self._branch(extended=extended))
        return "|".join(branches)

    def _branch(self, *, extended: bool) -> str:
        scan = self._scan
        atoms: list[str] = []
        while not scan.at_end and scan.peek not in "|)":
            if extended and scan.skip_white_space():
                continue
            if scan.peek in "*+?" or scan.is_interval:
                if not atoms:
                    raise ValueError("a quantifier has nothing to repeat")
                atoms.append(self._repeated(atoms.pop()))
            elif (switched := self._switch(extended=extended)) is not None:
                atoms.append(switched)
            else:
                atoms.append(self._atom(extended=extended))
        return "".join(atoms)

    def _repeated(self, atom: str) -> str:
        """`atom` with the quantifiers that follow. Each further one repeats the whole, which `re` wants in a group."""
        scan = self._scan
        if scan.is_interval:
            low, high = scan.interval()
            atom += f"{{{low}}}" if low == high else f"{{{low},{high}}}"
            if scan.peek == "?" and low != high:
                return atom + scan.next()
        else:
            atom += scan.next()
            if scan.peek in ("?", "+"):
                return atom + scan.next()
        while scan.peek in ("*", "+", "?") or scan.is_interval:
            return self._repeated(f"(?:{atom})")
        return atom

    def _switch(self, *, extended: bool) -> str | None:
        """`(?i)`: options for the rest of the group around it, all its alternatives included."""
        options = self._scan.options()
        if options is None:
            return None
        on, off, closed = options
        inner = (extended or "x" in on) and "x" not in off
        flags = _letters(set(on) - set(off)) + ("-" + _letters(set(off)) if _letters(set(off)) else "")
        body = self._alternatives(extended=inner)
        if not closed:
            self._scan.expect(")")
        return f"(?{flags}:{body})"

    # ── atoms ────────────────────────────────────────────────────────────────────────────────────────────────────────
    def _atom(self, *, extended: bool) -> str:
        scan = self._scan
        char = scan.next()
        match char:
            case "(":
                return self._group(extended=extended)
            case "[":
                return parse_class(scan)
            case "\\":
                return self._escape()
            case "." | "^" | "$":
                return char
            case _:
                return re.escape(char)

    def _group(self, *, extended: bool) -> str:
        scan = self._scan
        if scan.take("?#"):
            scan.until(")")
            return ""
        for opening in ("?<=", "?<!"):
            if scan.take(opening):
                return self._look_behind(opening, extended=extended)
        for opening in ("?:", "?=", "?!", "?>"):
            if scan.take(opening):
                return self._closed(f"({opening}", extended=extended)
        for opening, end in (("?<", ">"), ("?'", "'")):
            if scan.take(opening):
                name = scan.until(end)
                if not name or name[0].isdigit() or not name.replace("_", "a").isalnum():
                    raise ValueError(f"{name!r} is no name of a group")
                self._groups += 1
                self.names.setdefault(name, []).append(self._groups)
                return self._closed("(", extended=extended)
        if scan.peek == "?":
            raise UnsupportedError("(" + scan.rest(3) + "…")
        if self._named:
            return self._closed("(?:", extended=extended)
        self._groups += 1
        return self._closed("(", extended=extended)

    def _closed(self, opening: str, *, extended: bool) -> str:
        body = self._alternatives(extended=extended)
        self._scan.expect(")")
        return f"{opening}{body})"

    def _look_behind(self, opening: str, *, extended: bool) -> str:
        """`re` wants one length; with alternatives of several, each looks for itself."""
        branches = [self._branch(extended=extended)]
        while self._scan.take("|"):
            branches.append(self._branch(extended=extended))
        self._scan.expect(")")
        looks = [f"({opening}{branch})" for branch in branches]
        if len(looks) == 1:
            return looks[0]
        return f"(?:{'|'.join(looks)})" if opening == "?<=" else "".join(looks)

    def _escape(self) -> str:
        scan = self._scan
        if scan.at_end:
            raise ValueError("a backslash at the end")
        char = scan.peek
        if char in TYPES:
            scan.next()
            return f"[{TYPES[char]}]" if char.islower() else f"[^{TYPES[char]}]"
        if char in _ANCHORS:
            return _ANCHORS[scan.next()]
        if char in "pP":
            return property_class(scan)
        if char == "k":
            scan.next()
            return self._named_backreference()
        if char in "123456789":
            return f"(?:\\{scan.digits()})"
        if char in "gKXG":
            raise UnsupportedError("\\" + char)
        return re.escape(scan.escaped_character())

    def _named_backreference(self) -> str:
        scan = self._scan
        name = scan.until(">") if scan.take("<") else scan.until("'") if scan.take("'") else ""
        if name.isdigit() and not self._named:
            return f"(?:\\{name})"
        if name not in self.names:
            raise ValueError(f"there is no group {name!r} before \\k")
        return f"(?:\\{self.names[name][-1]})"


def _letters(options: Set[str]) -> str:
    """Ruby's options as `re` calls them; `x` is dealt with in translating."""
    return "".join(letter for option, letter in (("i", "i"), ("m", "s")) if option in options)


_ANCHORS = {
    "A": r"\A", "z": r"\Z", "Z": r"(?=\n?\Z)", "b": r"\b", "B": r"\B",
    "R": "(?:\r\n|[\n-\r\x85\u2028\u2029])",
}  # fmt: skip


def _has_names(source: str) -> bool:
    return re.search(r"(?<!\\)(?:\\\\)*\(\?(?:<[^=!]|')", source) is not None
