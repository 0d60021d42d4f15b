"""What the models' docstrings say of a type and of its fields: Kubernetes' own descriptions."""

from __future__ import annotations

import re

import msgspec

_FIELD = re.compile(r"^\s*\* \*\*(?P<name>[^*]+)\*\* ``[^`]*``(?: - )?(?P<text>.*)$")


class Descriptions(msgspec.Struct, frozen=True):
    type: str
    fields: dict[str, str]


def read_docstring(text: str | None) -> Descriptions:
    """Descriptions as running text: one line a paragraph."""
    head, _, parameters = (text or "").partition("**parameters**")
    fields: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in parameters.splitlines():
        if found := _FIELD.match(line):
            lines = fields.setdefault(found["name"], [])
        lines.append(found["text"] if found else line)
    return Descriptions(_join(head.splitlines()), {name: _join(lines) for name, lines in fields.items()})


def _join(lines: list[str]) -> str:
    paragraphs: list[list[str]] = [[]]
    for line in lines:
        if line.strip():
            paragraphs[-1].append(line.strip())
        elif paragraphs[-1]:
            paragraphs.append([])
    return "\n\n".join(" ".join(paragraph) for paragraph in paragraphs if paragraph)
