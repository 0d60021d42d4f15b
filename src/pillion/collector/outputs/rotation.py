"""Rotation of the file output's own files by their size (plugins/out_file/file_rotate.c).

A full file is renamed to `NAME.YYYYMMDD_HHMMSS_xxxxxxxx`, packed to `….gz`, and the oldest of them are removed.
"""

from __future__ import annotations

import gzip
import re
import secrets
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    import logging

_SUFFIX = re.compile(r"\.\d{8}_\d{6}(_[0-9a-fA-F]{8})?(\.gz)?")
_PIECE_BYTES = 1 << 20
_LEVEL = 1
"""Half the time of the usual level for a tenth more bytes: the delivery waits for it."""


class Rotation(msgspec.Struct, frozen=True, kw_only=True):
    max_bytes: int
    max_files: int
    is_packed: bool

    def rotate(self, path: Path, log: logging.Logger) -> None:
        """Rename `path` when it is full. A failure is logged, never more: records go on into the same file."""
        try:
            if path.stat().st_size < self.max_bytes:
                return
        except FileNotFoundError:
            return
        rotated = path.with_name(f"{path.name}.{time.strftime('%Y%m%d_%H%M%S')}_{secrets.token_hex(4)}")
        try:
            path.rename(rotated)
        except OSError as error:
            log.warning("cannot rotate %s: %s", path, error.strerror)
            return
        log.info("rotated %s to %s", path, rotated.name)
        if self.is_packed:
            _pack(rotated, log)
        self._remove_oldest(path, log)

    def _remove_oldest(self, path: Path, log: logging.Logger) -> None:
        try:
            rotated = [
                (found.stat().st_mtime, str(found), found)
                for found in path.parent.iterdir()
                if found.name.startswith(path.name)
                and _SUFFIX.fullmatch(found.name, len(path.name))
                and found.is_file()
            ]
            for _, _, oldest in sorted(rotated)[: -self.max_files]:
                oldest.unlink()
                log.debug("removed %s", oldest)
        except OSError as error:
            log.warning("cannot remove old files of %s: %s", path, error.strerror)


def _pack(rotated: Path, log: logging.Logger) -> None:
    packed = rotated.with_name(f"{rotated.name}.gz")
    try:
        with rotated.open("rb") as source, gzip.open(packed, "xb", compresslevel=_LEVEL) as target:
            shutil.copyfileobj(source, target, _PIECE_BYTES)
        rotated.unlink()
    except OSError as error:
        packed.unlink(missing_ok=True)
        log.warning("cannot pack %s: %s; it stays as it is", rotated, error.strerror)
