"""The files of a `certificates` entry, all of one moment.

The kubelet publishes a volume by renaming one link (`..data`, pkg/volume/util/atomic_writer.go): whoever goes through
it once for each file may get a new certificate with an old key. Here it is followed once for all of them.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable

from pillion.proxy.certificates.contents import Contents
from pillion.proxy.certificates.faults import Fault, Reason
from pillion.proxy.certificates.purpose import Purpose
from pillion.proxy.configuration.values import Certificate

SIZE_LIMIT = 4 << 20
"""Bytes. A Secret has at most 1 MiB (Kubernetes: core/v1, MaxSecretSize); a system's trust bundle about 250 kB."""
_DATA = "..data"
_ATTEMPTS = 5

_Stamps = tuple[tuple[int, int, int, int] | None, ...]


def _stamps(certificate: Certificate) -> _Stamps:
    """Changes when one of the files does."""
    return tuple(_stamp(path) for path in (certificate.chain, certificate.key, certificate.bundle) if path)


def _stamp(path: str) -> tuple[int, int, int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - and so are the others below: text is what the configuration has
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def read_contents(certificate: Certificate, purpose: Purpose) -> Contents:
    """What `purpose` needs of the files. A volume that is swapped meanwhile is read anew."""
    contents = Contents()
    for _ in range(_ATTEMPTS):
        before = _stamps(certificate)
        contents = _read(certificate, purpose)
        if _stamps(certificate) == before:
            break
    return contents


def _read(certificate: Certificate, purpose: Purpose) -> Contents:
    current = _current_paths()
    faults: list[Fault] = []

    def take(path: str, *, needed: bool) -> bytes:
        if not path or not needed:
            return b""
        try:
            return _read_file(current(path))
        except OSError as error:
            faults.append(_fault(path, error))
        except ValueError as error:
            faults.append(Fault(reason=Reason.UNREADABLE, path=path, text=str(error), remedy=_NAME_A_FILE))
        return b""

    return Contents(
        chain=take(certificate.chain, needed=purpose.is_shown),
        key=take(certificate.key, needed=purpose.is_shown),
        bundle=take(certificate.bundle, needed=purpose.verifies),
        faults=tuple(faults),
    )


_NAME_A_FILE = "name a file in PEM"


def _current_paths() -> Callable[[str], str]:
    """A function that leads each path past the `..data` above it, which is looked at only once."""
    known: dict[str, str | None] = {}

    def current(path: str) -> str:
        folder, rest = os.path.split(os.path.abspath(path))  # noqa: PTH100 - no link may be followed here
        while rest:
            if folder not in known:
                known[folder] = _target(folder)
            target = known[folder]
            if target is not None:
                return os.path.join(folder, target, rest)  # noqa: PTH118
            if folder == "/":
                break
            folder, name = os.path.split(folder)
            rest = os.path.join(name, rest)  # noqa: PTH118
        return path

    return current


def _target(folder: str) -> str | None:
    try:
        return os.readlink(os.path.join(folder, _DATA))  # noqa: PTH115, PTH118
    except OSError:
        return None


def _read_file(path: str) -> bytes:
    """Raises OSError, and ValueError for what is no file. Does not wait for who writes into a pipe."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("it is no regular file")
        content = file.read(SIZE_LIMIT + 1)
    if len(content) > SIZE_LIMIT:
        raise ValueError(f"it has more than {SIZE_LIMIT >> 20} MiB")
    return content


def _fault(path: str, error: OSError) -> Fault:
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return Fault(
            reason=Reason.MISSING,
            path=path,
            text="there is no such file",
            remedy="mount the Secret (or ConfigMap) that has this key there, or correct the path",
        )
    if isinstance(error, PermissionError):
        return Fault(
            reason=Reason.UNREADABLE,
            path=path,
            text="this user may not read it",
            remedy="set defaultMode (0440) of the volume and fsGroup of the Pod so that the proxy's user may",
        )
    return Fault(
        reason=Reason.UNREADABLE, path=path, text=f"it cannot be read ({error.strerror})", remedy=_NAME_A_FILE
    )
