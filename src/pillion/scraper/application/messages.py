"""Our own messages, as Prometheus 3 prints its own: `time=… level=INFO msg="…"`, or the same as JSON."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

from pillion.units import quote

LOG = "pillion.scraper"
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}
_WORDS = {"WARNING": "WARN", "CRITICAL": "ERROR"}


class _Lines(logging.Formatter):
    def __init__(self, *, as_json: bool) -> None:
        super().__init__()
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        level = _WORDS.get(record.levelname, record.levelname)
        text = record.getMessage()
        if self._as_json:
            return json.dumps({"time": time, "level": level, "msg": text}, ensure_ascii=False)
        return f"time={time} level={level} msg={quote(text)}"


def install(*, level: str, style: str) -> logging.Handler:
    """Everything below the logger LOG goes to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines(as_json=style == "json"))
    logger = logging.getLogger(LOG)
    logger.addHandler(handler)
    logger.setLevel(_LEVELS[level])
    logger.propagate = False
    return handler


def uninstall(handler: logging.Handler) -> None:
    logging.getLogger(LOG).removeHandler(handler)
    handler.close()
