"""The tag of a file: `*` stands for its path, `<name>` for a group of tag_regex. Pure.

After tag_compose in Fluent Bit's plugins/in_tail/tail_file.c, oddities included: people's Match rules rely on them.
"""

from __future__ import annotations

import re

_PLACEHOLDER = re.compile(r"<([^<>]*)>")


def shown(path: str) -> str:
    """A path as text: a name is bytes, and what is no UTF-8 of it becomes U+FFFD."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


class TagError(ValueError):
    """No tag can be made for a file."""


def compose_tag(tag: str, path: str, regex: re.Pattern[str] | None) -> str:
    """Raises TagError when `regex` does not match, or `tag` has a `<` without its `>`."""
    path = shown(path)
    if regex is not None:
        return _from_groups(tag, path, regex)
    if "*" in tag:
        return _from_path(tag, path)
    return tag


def _from_groups(tag: str, path: str, regex: re.Pattern[str]) -> str:
    found = regex.search(path)
    if found is None:
        raise TagError(f"tag_regex does not match {path}")
    groups = found.groupdict()
    composed = _PLACEHOLDER.sub(lambda named: groups.get(named[1]) or "_", tag)
    if "<" in _PLACEHOLDER.sub("", tag):
        raise TagError(f"tag {tag}: a `<` has no `>`")
    return composed


def _from_path(tag: str, path: str) -> str:
    """The first `*` becomes the path; then separators become dots, of which none begins, doubles or ends the tag."""
    before, _, after = tag.partition("*")
    kept: list[str] = []
    for letter in before + path + after:
        if letter in "/\\:":
            if not kept:
                continue
            letter = "."  # noqa: PLW2901 - the loop rewrites what it reads
        if letter == "*" or (letter == "." and kept and kept[-1] == "."):
            continue
        kept.append(letter)
    if kept and kept[-1] == ".":
        kept.pop()
    return "".join(kept)
