"""What a container writes may colour its line, and do nothing else to the terminal."""

from __future__ import annotations

import pytest

from pillion.cli.ansi import Prefixes, harmless, paint


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("plain", "plain"),
        ("a\tb", "a\tb"),
        ("é 漢字", "é 漢字"),
        ("\x1b[31mred\x1b[0m", "\x1b[31mred\x1b[0m\x1b[0m"),
        ("\x1b[38;5;3mmany\x1b[m", "\x1b[38;5;3mmany\x1b[m\x1b[0m"),
        ("bell\x07", "bell"),
        ("over\rwritten", "overwritten"),
        ("\x1b[2J\x1b[1;1Hclear", "clear\x1b[0m"),
        ("\x1b]0;title\x07text", "text\x1b[0m"),
        ("\x1b7saved\x1b8", "saved\x1b[0m"),
        ("\x1b(Bset\x1bM", "set\x1b[0m"),
        ("cut off \x1b[", "cut off \x1b[0m"),
        ("eight bits \x9b2J", "eight bits 2J"),
    ],
)
def test_colours_stay_and_what_moves_the_cursor_does_not(written: str, shown: str) -> None:
    assert harmless(written) == shown


def test_every_container_keeps_its_colour() -> None:
    prefixes = Prefixes()
    first = [prefixes.of(name) for name in ("a/one", "a/two", "b/one")]
    assert len({text[:5] for text in first}) == 3
    assert [prefixes.of(name) for name in ("a/one", "a/two", "b/one")] == first


def test_without_a_style_text_is_left_alone() -> None:
    assert (paint("x", ""), paint("x", "red")) == ("x", "\x1b[31mx\x1b[0m")
