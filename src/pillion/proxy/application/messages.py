"""Our own messages and Envoy's, one form: `time=… level=info msg="…"`, or the same as JSON lines."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from pillion.units import quote

if TYPE_CHECKING:
    from pillion.proxy.envoy.said import Message

LOG = "pillion.proxy"
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}
_WORDS = {"WARNING": "warn", "CRITICAL": "error"}
ENVOY_LEVELS = {"debug": "info", "info": "warning", "warn": "warning", "error": "error"}
"""Envoy's level by ours: at its own `info` it tells forty lines of how it starts."""


class _Lines(logging.Formatter):
    def __init__(self, *, as_json: bool) -> None:
        super().__init__()
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        level = _WORDS.get(record.levelname, record.levelname.lower())
        text = record.getMessage()
        if self._as_json:
            line = {"time": time, "level": level, "logger": record.name, "msg": text}
            return msgspec.json.encode(line).decode()
        return f"time={time} level={level} logger={record.name} msg={quote(text)}"


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


def pass_on(message: Message) -> None:
    """Something that Envoy said."""
    name = f"{LOG}.envoy.{message.logger}" if message.logger else f"{LOG}.envoy"
    logging.getLogger(name).log(message.level, "%s", message.text)
