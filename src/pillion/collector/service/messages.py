"""Our own messages, as Fluent Bit prints its own: `[2026/11/22 10:00:00] [ warn] [output:http:http.0] …`."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from pillion.errors import HostError

_WORDS = {"CRITICAL": "error", "ERROR": "error", "WARNING": " warn", "INFO": " info", "DEBUG": "debug"}


class _Lines(logging.Formatter):
    def __init__(self, root: str) -> None:
        super().__init__("[%(asctime)s] [%(word)s] [%(who)s] %(message)s", "%Y/%m/%d %H:%M:%S")
        self._root = root

    def format(self, record: logging.LogRecord) -> str:
        record.word = _WORDS.get(record.levelname, "trace")
        record.who = record.name.removeprefix(self._root).lstrip(".") or "engine"
        return super().format(record)


def install(root: str, *, level: int, file: str) -> logging.Handler:
    """Everything below the logger `root` goes to stderr, or to a file. Raises HostError."""
    handler: logging.Handler
    if file:
        try:
            handler = logging.FileHandler(Path(file), errors="backslashreplace")
        except OSError as error:
            raise HostError(f"cannot write our messages to {file}: {error.strerror}; see log_file") from error
    else:
        handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines(root))
    logger = logging.getLogger(root)
    logger.addHandler(handler)
    logger.setLevel(level)
    logger.propagate = False
    return handler


def uninstall(root: str, handler: logging.Handler) -> None:
    logging.getLogger(root).removeHandler(handler)
    handler.close()
