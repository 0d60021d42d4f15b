"""What is known of a server from outside: where it keeps things, whether it runs, how it may be told to end.

Imports little: commands that only talk to a server start quickly.
"""

from __future__ import annotations

import os
from enum import IntEnum
from pathlib import Path, PurePosixPath

import msgspec

from pillion.errors import HostError
from pillion.statedir import StateDir

DEFAULT_STATE_DIR = "/var/lib/pillion"
DEFAULT_PORT = 6443
"""kube-apiserver's."""


class Ending(IntEnum):
    """How to end: a later one may only be more drastic."""

    KEEP_PODS = 1
    """Let go of the pods; the next server takes them over."""
    END_PODS = 2
    """Delete every pod, in order and with its grace period, first."""
    KILL_PODS = 3
    """The same without grace."""


class Serving(msgspec.Struct, frozen=True, kw_only=True):
    """DIR/serve.json: the server that runs."""

    pid: int
    port: int


def open_state_dir(path: str) -> StateDir:
    """By its real path: runc refuses a root filesystem that is reached through a symlink."""
    return StateDir(PurePosixPath(os.path.realpath(path)))


def find_server(state: StateDir) -> Serving | None:
    """The server of this state directory, if one runs. Raises HostError when nobody may look."""
    try:
        serving = msgspec.json.decode(Path(state.server).read_bytes(), type=Serving)
        owner = Path(state.lock).read_text(encoding="utf-8").strip()
    except (FileNotFoundError, NotADirectoryError, msgspec.DecodeError):
        return None
    except OSError as error:
        raise HostError(f"cannot look into the state directory {state.root}: {error.strerror}") from error
    # The lock's file is emptied at an orderly end; after another one its process is no more.
    return serving if owner == str(serving.pid) and Path(f"/proc/{serving.pid}").exists() else None
