"""What is wrong with a text, and where: one line, which editors can jump to."""

from __future__ import annotations

import msgspec

from pillion.yamltree.nodes import Mark


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    file: str
    mark: Mark
    object_ref: str = ""
    """`Pod/agent`, or empty while the object is not known."""
    field: str = ""
    """Field path inside the object."""
    message: str
    hint: str = ""
    """What to do, when we know it: continues the message after a comma."""

    def __str__(self) -> str:
        where = f"{self.file}:{self.mark.line}:{self.mark.column}"
        text = f"{self.message}, {self.hint}" if self.hint else self.message
        return ": ".join(part for part in (where, self.object_ref, self.field, text) if part)
