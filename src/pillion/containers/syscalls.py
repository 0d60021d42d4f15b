"""The few Linux system calls that Python does not offer: mount(2), umount2(2), unshare(2), sethostname(2).

Each raises OSError with the target's path. All of them return at once; none is worth a thread.
"""

from __future__ import annotations

import ctypes
import os

MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000

MNT_DETACH = 0x2

CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, target: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), target)


def mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    _check(
        _libc.mount(
            os.fsencode(source), os.fsencode(target), kind.encode(), ctypes.c_ulong(flags), os.fsencode(data)
        ),
        target,
    )


def bind(source: str, target: str) -> None:
    mount(source, target, flags=MS_BIND)


def unmount(target: str) -> None:
    """Detach the mount; users of it keep it until they let go. No error when nothing is mounted there."""
    try:
        _check(_libc.umount2(os.fsencode(target), MNT_DETACH), target)
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        if error.errno != 22:  # EINVAL: not a mount point
            raise


def unshare(flags: int) -> None:
    """Give the calling thread namespaces of its own."""
    _check(_libc.unshare(ctypes.c_int(flags)), "namespaces")


def set_hostname(name: str) -> None:
    encoded = name.encode()
    _check(_libc.sethostname(encoded, ctypes.c_size_t(len(encoded))), name)
