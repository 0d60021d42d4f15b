"""The commands that the documentation shows: they parse, and their options and files exist."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from run_docs import commands
from tests.architecture.pages import PAGES, ROOT, blocks, name

from pillion.cli import pillion


def shown() -> Iterator[tuple[Path, str]]:
    for page in PAGES:
        for block in blocks(page, "console"):
            for command in commands(block):
                yield page, command


def pillion_words(command: str) -> Iterator[list[str]]:
    """The arguments of each `pillion …` in a line of shell."""
    lexer = shlex.shlex(command.replace("\\\n", " "), posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] | None = None
    for token in [*lexer, ";"]:
        if re.fullmatch(r"[;|&<>()]+", token):
            if words is not None:
                yield words
            words = None
        elif words is not None:
            words.append(token)
        elif token == "pillion":
            words = []


SHOWN = [(page, words) for page, command in shown() for words in pillion_words(command)]


def test_the_documentation_shows_commands() -> None:
    assert len(SHOWN) > 20


@pytest.mark.parametrize(
    ("page", "words"), SHOWN, ids=[f"{name(page)}: {' '.join(words)}" for page, words in SHOWN]
)
def test_a_shown_command_has_only_options_that_exist(page: Path, words: list[str]) -> None:
    command: click.Command = pillion
    context = click.Context(pillion, info_name="pillion", **pillion.context_settings)
    while isinstance(command, click.Group):
        found = command.get_command(context, words[0])
        assert found is not None, f"{name(page)}: there is no command {words[0]}"
        command, words = found, words[1:]
        context = click.Context(command, parent=context, **command.context_settings)
    command.make_parser(context).parse_args(list(words))


@pytest.mark.parametrize(
    "path",
    sorted({word for _, words in SHOWN for word in words if word.startswith(("examples/", "docs/"))}),
)
def test_a_shown_file_exists(path: str) -> None:
    assert (ROOT / path).exists()


def test_continued_lines_belong_to_their_command() -> None:
    assert commands("$ a \\\n>   b\nout\n> not\n$ c\n") == ["a \\\n  b", "c"]


def test_every_pillion_in_a_line_of_shell_is_found() -> None:
    line = "pillion image ls; pillion run a.yaml -o json > /tmp/x | grep pillion-image.yaml"
    assert list(pillion_words(line)) == [["image", "ls"], ["run", "a.yaml", "-o", "json"]]
