"""What is wrong with a manifest, and where: one line per problem, which editors can jump to."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pillion.errors import ManifestError
from pillion.manifest.nodes import Mark


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


class ManifestProblems(ManifestError):  # noqa: N818 - it carries several
    """Every problem of a manifest, in the order of the text."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: problem.mark))
        super().__init__("\n".join(map(str, self.problems)))
