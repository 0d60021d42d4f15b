"""JSON lines. Requests go to LOG_FILE (or stdout), everything about the process to stderr."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from logging.handlers import WatchedFileHandler
from pathlib import Path

REQUESTS = "pillion_agent.requests"


class JsonLines(logging.Formatter):
    """One object per record: time, level, message, then the record's `fields` in their order."""

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {
            "time": time.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def configure_logs(log_file: Path | None) -> None:
    """Raises OSError when the file cannot be opened."""
    process = logging.StreamHandler(sys.stderr)
    process.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[process], force=True)
    requests = logging.getLogger(REQUESTS)
    requests.handlers = [_open_requests(log_file)]
    requests.propagate = False


def _open_requests(log_file: Path | None) -> logging.Handler:
    if log_file is None:
        handler: logging.Handler = logging.StreamHandler(sys.stdout)
    else:
        log_file.parent.mkdir(parents=True, exist_ok=True)
        # Looks at the file's identity before each line, so that rotation by renaming needs no signal.
        handler = WatchedFileHandler(log_file, encoding="utf-8")
    handler.setFormatter(JsonLines())
    return handler
