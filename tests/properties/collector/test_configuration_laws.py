"""Whatever is written, a configuration is read or refused with sentences; never a traceback."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.collector.configuration.house import MAIN, YAML, read

from pillion.collector.configuration import ConfigurationError
from pillion.collector.configuration.routing import can_meet

WORDS = st.sampled_from(
    [
        *("[INPUT]", "[OUTPUT]", "[FILTER]", "[SERVICE]", "[PARSER]", "[MULTILINE_PARSER]", "[X]", "[", "]"),
        *(
            "    ",
            "\t",
            "  ",
            " ",
            "\n",
            "\r\n",
            "#",
            "@SET a=b",
            "@INCLUDE x",
            "@INCLUDE *",
            "${a}",
            "${",
            "}",
        ),
        *(
            "Name tail",
            "Name stdout",
            "Name modify",
            "Name",
            "Path /a",
            "Match *",
            "Set a b",
            'Set "a',
            "Format",
        ),
        *(
            "Flush 1",
            "Grace -1",
            "Parsers_File parsers.conf",
            "tls on",
            "Retry_Limit 3",
            "é",
            "\x00",
            "\ufeff",
            "'",
        ),
        *(
            "pipeline:",
            "inputs:",
            "- name: tail",
            "service:",
            "env:",
            "rules:",
            "- ",
            "&a",
            "*a",
            "{",
            "!!x",
            "|",
        ),
    ]
)
TEXTS = st.one_of(st.text(), st.lists(WORDS).map("".join), st.lists(WORDS).map("\n".join))


def refuses_in_sentences(text: str | bytes, path: str, *, lenient: bool) -> None:
    said = ""
    try:
        read(text, path=path, lenient=lenient)
    except ConfigurationError as error:
        said = str(error)
    assert all(line.startswith((path, "command line")) for line in said.splitlines())


@settings(deadline=None)
@given(TEXTS, st.sampled_from([MAIN, YAML]), st.booleans())
def test_any_text_is_read_or_refused(text: str, path: str, lenient: bool) -> None:
    refuses_in_sentences(text.encode(errors="surrogatepass"), path, lenient=lenient)


@settings(deadline=None)
@given(st.binary(), st.sampled_from([MAIN, YAML]))
def test_any_bytes_are_read_or_refused(data: bytes, path: str) -> None:
    refuses_in_sentences(data, path, lenient=False)


KEYS = st.sampled_from(
    [
        *(
            "path",
            "tag",
            "multiline.parser",
            "refresh_interval",
            "buffer_max_size",
            "ignore_older",
            "read_from_head",
        ),
        *("mem_buf_limit", "storage.type", "alias", "parser", "log_level"),
    ]
)
VALUES = st.text(st.characters(exclude_characters="\n\r", exclude_categories=["Cs"]), min_size=1)


@settings(deadline=None)
@given(st.lists(st.tuples(KEYS, VALUES)))
def test_any_value_of_any_key_is_read_or_refused(pairs: list[tuple[str, str]]) -> None:
    lines = [f"    {key} {value}" for key, value in pairs]
    text = "\n".join(["[INPUT]", "    Name tail", *lines, "[OUTPUT]", "    Name stdout"])
    refuses_in_sentences(text, MAIN, lenient=False)
    refuses_in_sentences(text, MAIN, lenient=True)


PATTERNS = st.text("ab*", max_size=6)


@given(PATTERNS, PATTERNS, st.text("ab", max_size=4))
def test_patterns_that_share_a_text_can_meet(tag: str, match: str, filling: str) -> None:
    assert can_meet(tag.replace("*", filling), tag)
    assert can_meet(tag, match) == can_meet(match, tag)
    if not can_meet(tag, match):
        assert not can_meet(tag.replace("*", filling), match)
