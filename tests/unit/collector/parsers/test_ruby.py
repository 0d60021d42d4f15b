"""Ruby's patterns mean here what they mean to Onigmo. The matches of the first table were taken from Oniguruma, its
sister, with Ruby's syntax."""

from __future__ import annotations

import pytest

from pillion.collector.parsers import compile_ruby

APACHE = (
    r'^(?<host>[^ ]*) [^ ]* (?<user>[^ ]*) \[(?<time>[^\]]*)\] "(?<method>\S+)(?: +(?<path>[^\"]*?)(?: +\S*)?)?" '
    r'(?<code>[^ ]*) (?<size>[^ ]*)(?: "(?<referer>[^\"]*)" "(?<agent>[^\"]*)")?$'
)
SYSLOG = (
    r"^\<(?<pri>[0-9]+)\>(?<time>[^ ]* {1,2}[^ ]* [^ ]*) (?<host>[^ ]*) (?<ident>[a-zA-Z0-9_\/\.\-]*)"
    r"(?:\[(?<pid>[0-9]+)\])?(?:[^\:]*\:)? *(?<message>.*)$"
)


@pytest.mark.parametrize(
    ("pattern", "text", "groups"),
    [
        (APACHE, '1.2.3.4 - bob [10/Oct/2000:13:55:36 -0700] "GET /a HTTP/1.0" 200 2326',
         ("1.2.3.4", "bob", "10/Oct/2000:13:55:36 -0700", "GET", "/a", "200", "2326", None, None)),
        (SYSLOG, "<34>Oct 11 22:14:15 host su[12]: it failed",
         ("34", "Oct 11 22:14:15", "host", "su", "12", "it failed")),
        (r"(?<a>x)(y)(?<b>z)", "xyz", ("x", "z")),
        (r"(x)(?:y)(z)", "xyz", ("x", "z")),
        (r"(?'a'x)", "x", ("x",)),
        (r"^b$", "a\nb\nc", ()),
        (r"a.b", "a\nb", None),
        (r"/a.b/m", "a\nb", ()),
        (r"/A B # note/x", "AB", ()),
        (r"/a/i", "A", ()),
        (r"/a/q", "a", None),
        (r"/a/q", "/a/q", ()),
        (r"a(?i)b|C", "ac", ()),
        (r"a(?i)b|C", "AB", None),
        (r"(?i:a)b", "Ab", ()),
        (r"(?i-i:a)b", "Ab", None),
        (r"(?x: a b # c" + "\n c)", "abc", ()),
        (r"(?m:a.)b", "a\nb", ()),
        (r"(?#note)a", "a", ()),
        (r"\h+\H", "fFg", ()),
        (r"\Aa\z", "a\n", None),
        (r"\Aa\Z", "a\n", ()),
        (r"\d\w\s", "٣é\u00a0", None),
        (r"[\d][\w][\s]", "٣é\u00a0", None),
        (r"[[:alpha:]]+[[:digit:]]", "é3", ()),
        (r"[[:^alpha:]]", "é", None),
        (r"\p{Alpha}\P{Digit}\p{^Digit}", "éa.", ()),
        (r"[[:upper:]][[:lower:]][[:punct:]]", "Éa!", ()),
        (r"[a-c&&[^b]]", "b", None),
        (r"[a-c&&[^b]]", "c", ()),
        (r"[^[a-c]x]", "ax", None),
        (r"[]x]", "]", ()),
        (r"[^\S\n]", " ", ()),
        (r"[\S\n]", "\n", ()),
        (r"[a\-z]", "-", ()),
        (r"[a-]", "-", ()),
        (r"(?<=a|bc)d", "bcd", ()),
        (r"(?<!a|bc)d", "bcd", None),
        (r"a++b", "aab", ()),
        (r"(?>a+)ab", "aab", None),
        (r"a{2}+b", "aaaab", ()),
        (r"\Aa{2}?b", "b", ()),
        (r"\Aa{,2}b", "aab", ()),
        (r"\Aa{,2}b", "aaab", None),
        (r"a**", "", ()),
        (r"a{x}", "a{x}", ()),
        (r"(a|b)\1", "bb", ("b",)),
        (r"(?<q>['\"]).\k<q>", "'x'", ("'",)),
        (r"\x41\u00e9\u{42}\x{43}\101\e\cA\/", "AéBCA\x1b\x01/", ()),
        (r"\R\R", "\r\n\n", ()),
        (r"\bé\b", "aé", None),
    ],
)  # fmt: skip
def test_a_pattern_finds_what_it_finds_in_ruby(
    pattern: str, text: str, groups: tuple[str | None, ...] | None
) -> None:
    found = compile_ruby(pattern).search(text)
    assert (None if found is None else found.groups()) == groups


def test_a_name_may_stand_for_several_groups() -> None:
    assert compile_ruby(r"(?<a>x)(?<b>-)|(?<a>y)").names == (("a", (1, 3)), ("b", (2,)))


@pytest.mark.parametrize(
    ("pattern", "complaint"),
    [
        ("(", r"\) is missing"),
        (")", r"unmatched \)"),
        ("[a", "is missing|too early"),
        ("*a", "nothing to repeat"),
        ("[b-a]", "empty range"),
        (r"(?<1>a)", "no name"),
        (r"\k<a>", "no group 'a'"),
        (r"[[:nope:]]", "no kind of characters"),
        ("a\\", "backslash at the end"),
        (r"(?<a>.\g<a>)", r"\\g has no counterpart"),
        (r"(?~a)", r"\(\?~a… has no counterpart"),
        (r"a\Kb", r"\\K has no counterpart"),
        (r"(?<=a*)b", "look-behind"),
    ],
)
def test_a_pattern_that_cannot_be_used_is_refused(pattern: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        compile_ruby(pattern)
