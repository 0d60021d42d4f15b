"""RE2's expressions, matched by Python: the same answers, and the same refusals."""

from __future__ import annotations

import pytest

from pillion.scraper.labels import RegexpError, regexp
from pillion.scraper.labels.regexes import expand


@pytest.mark.parametrize(
    ("expression", "text", "matches"),
    [
        ("", "", True),
        ("", "a", False),
        ("a", "ab", False),
        ("a|ab", "ab", True),
        ("a|b", "b", True),
        (".*", "two\nlines", True),
        ("(?-s).*", "two\nlines", False),
        ("a$", "a\n", False),
        (r"a\z", "a", True),
        ("(?m)a$\n^b", "a\nb", True),
        ("a(?i)b|c", "C", True),
        ("a(?i)b|c", "Ab", False),
        ("(?i:a)b", "Ab", True),
        ("(?i:a)b", "AB", False),
        ("(?i)[^a]", "A", False),
        ("(?i)[a-c]+", "AbC", True),
        ("(?i)ä", "Ä", True),
        (r"\d+", "12", True),
        (r"\d+", "١", False),
        (r"\w", "ä", False),
        (r"\s", "\v", False),
        (r"[\s\d]+", "1 2", True),
        (r"[^\d]", "\n", True),
        (r"[\D]", "x", True),
        ("[[:alpha:]_-]+", "ab_-", True),
        ("[[:^digit:]]+", "ab", True),
        ("[]a]+", "a]", True),
        ("[^]a]", "]", False),
        ("[a-]", "-", True),
        ("[a-b-c]", "-", True),
        ("[a&&b]+", "a&b", True),
        ("[[a]+", "[a", True),
        (r"\Qa.b\E.", "a.bc", True),
        (r"\Qa|b", "a|b", True),
        (r"\x41\x{1F600}\101\0", "A😀A\0", True),
        ("a{2,3}", "aaa", True),
        ("a{,2}", "a{,2}", True),
        ("a{2", "a{2", True),
        ("x{", "x{", True),
        ("^*a", "a", True),
        (r"\b*a", "a", True),
        ("(?P<first>a)(?<second>b)", "ab", True),
        ("()|a", "a", True),
        ("(|a)*", "aa", True),
        (r"a\.b", "a.b", True),
        ("}", "}", True),
        ("]", "]", True),
        (" #a", " #a", True),
    ],
)
def test_an_expression_matches_the_whole_text_or_none_of_it(
    expression: str, text: str, matches: bool
) -> None:
    assert regexp(expression).matches(text) is matches


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("(", "missing closing ): `^(?s:()$`"),
        ("a)", "unexpected ): `^(?s:a))$`"),
        ("a**", "invalid nested repetition operator: `**`"),
        ("a++", "invalid nested repetition operator: `++`"),
        ("a*{2}", "invalid nested repetition operator: `*{2}`"),
        ("*", "missing argument to repetition operator: `*`"),
        ("a|+", "missing argument to repetition operator: `+`"),
        ("(?i)*", "missing argument to repetition operator: `*`"),
        ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
        ("(?!a)", "invalid or unsupported Perl syntax: `(?!`"),
        ("(?<=a)", "invalid or unsupported Perl syntax: `(?<`"),
        ("(?>a)", "invalid or unsupported Perl syntax: `(?>`"),
        ("(?z)", "invalid or unsupported Perl syntax: `(?z`"),
        (r"(a)\1", "invalid escape sequence: `\\1`"),
        (r"\8", "invalid escape sequence: `\\8`"),
        (r"\Z", "invalid escape sequence: `\\Z`"),
        (r"\xZZ", "invalid escape sequence: `\\x`"),
        (r"[\y]", "invalid escape sequence: `\\y`"),
        ("[a", "missing closing ]: `[a)$`"),
        ("[b-a]", "invalid character class range: `b-a`"),
        ("[[:foo:]]", "invalid character class range: `[:foo:]`"),
        ("a{2000}", "invalid repeat count: `{2000}`"),
        ("(a{100}){11}", "invalid repeat count: `{11}`"),
        ("((a{20}|b)*c){51}", "invalid repeat count: `{51}`"),
        ("a{3,2}", "invalid repeat count: `{3,2}`"),
        ("(?P<a>x)(?P<a>y)", "duplicate capture group name: `a`"),
        ("(?P<a b>x)", "invalid named capture: `(?P<a b>`"),
        ("a\\", "missing closing ): `^(?s:a\\)$`"),
        (r"\pL", "Unicode classes are not supported here, list the characters: `\\pL`"),
        ("(" * 101 + ")" * 101, "expression nests too deeply: `" + "(" * 101 + ")" * 101 + "`"),
    ],
)
def test_what_is_no_expression_of_re2_is_refused_in_its_words(expression: str, message: str) -> None:
    with pytest.raises(RegexpError) as refused:
        regexp(expression)
    assert str(refused.value) == f"error parsing regexp: {message}"


@pytest.mark.parametrize(
    ("template", "expanded"),
    [
        ("$1", "a"),
        ("${1}0", "a0"),
        ("$10", ""),
        ("$0", "ab"),
        ("$01", ""),
        ("$name", "b"),
        ("${name}s", "bs"),
        ("$names", ""),
        ("$$1", "$1"),
        ("$", "$"),
        ("$-", "$-"),
        ("${1", "${1"),
        ("${}", "${}"),
        ("x$1-$2", "xa-b"),
        ("$3", ""),
        ("$99999999999", ""),
    ],
)
def test_variables_of_a_template_are_those_of_go(template: str, expanded: str) -> None:
    expression = regexp("(a)(?P<name>b)(c)?")
    match = expression.fullmatch("ab")
    assert match is not None
    assert expand(expression.template(template), match) == expanded


def test_two_expressions_with_one_text_are_equal() -> None:
    assert regexp("a+") == regexp("a+") != regexp("a*")
    assert len({regexp("a+"), regexp("a+")}) == 1
