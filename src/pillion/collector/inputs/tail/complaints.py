"""What keeps files from being followed, as notices: each said once, and withdrawn when it is over."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from pillion.collector.inputs.tail.discovery import Found, explained
from pillion.collector.inputs.tail.tags import shown

if TYPE_CHECKING:
    from pillion.collector.plugin import InputContext


class Complaints:
    """Of one input. What they are about is a path or a pattern."""

    def __init__(self, context: InputContext) -> None:
        self._context = context
        self._about: set[str] = set()

    def complain(self, subject: str, sentence: str) -> None:
        self._about.add(subject)
        self._context.notices.raise_(self._key(subject), shown(sentence))

    def withdraw(self, subject: str, sentence: str = "") -> None:
        if subject in self._about:
            self._about.discard(subject)
            self._context.notices.clear(self._key(subject), shown(sentence))

    def complain_of_opening(self, path: str, error: OSError, open_files: int) -> None:
        why = explained(path, error)
        if error.errno in (errno.EMFILE, errno.ENFILE):
            why = f"{error.strerror} ({open_files} are followed); raise the limit of open files"
        self.complain(path, f"cannot read {path}: {why}")

    def review(self, found: Found) -> None:
        """After a look at the patterns."""
        wrong = found.problems | found.missing
        for subject in self._about - wrong.keys() - found.files.keys():
            self.withdraw(subject, f"{subject}: there are files to follow now")
        for subject, sentence in wrong.items():
            self.complain(subject, sentence)

    def _key(self, subject: str) -> str:
        return f"{self._context.name} {shown(subject)}"
