"""What is wrong with a manifest: one line per problem."""

from __future__ import annotations

from collections.abc import Sequence

from pillion.errors import ManifestError
from pillion.yamltree import Problem


class ManifestProblems(ManifestError):  # noqa: N818 - it carries several
    """Every problem of a manifest, in the order of the text."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: problem.mark))
        super().__init__("\n".join(map(str, self.problems)))
