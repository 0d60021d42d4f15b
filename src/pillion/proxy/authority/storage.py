"""The folder of an authority. Who reads it never waits, and never sees half of a rotation.

    FOLDER/bundle.crt        the roots to trust: the present one, and for a while the one before
    FOLDER/root.pem          the root's certificate and key. It may be kept elsewhere: only `rotate` needs it
    FOLDER/intermediate.pem  its certificate, cross certificates after it, its key
    FOLDER/lock              held by who changes something

A certificate and its key share a file, so that no crash parts them. A rotation writes the bundle first and the root
last: whatever was issued, it is in the bundle, and a root that has signed its successor is there until that is in use.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pillion.errors import HostError
from pillion.privatefile import write_file
from pillion.proxy.authority.certification import Issuer
from pillion.proxy.authority.hierarchy import Hierarchy
from pillion.proxy.authority.keys import format_key


def read_hierarchy(folder: Path) -> Hierarchy | None:
    """None when there is no authority. Raises HostError when there is one that cannot be used, or others may write to
    the folder.

    Waits only for who is making the folder's first files.
    """
    try:
        _check_writers(folder)
        return _read(folder)
    except FileNotFoundError:
        if _is_new(folder):
            return None
        with changing(folder):
            return load_hierarchy(folder)
    except (OSError, ValueError) as error:
        raise _unusable(folder, error) from error


def load_hierarchy(folder: Path) -> Hierarchy | None:
    """As `read_hierarchy`, while `changing`."""
    try:
        return _read(folder)
    except FileNotFoundError as error:
        if _is_new(folder):
            return None
        raise HostError(
            f"cannot use the authority in {folder}: {Path(error.filename).name} is missing; put it back, or choose "
            "another folder"
        ) from error
    except (OSError, ValueError) as error:
        raise _unusable(folder, error) from error


def save_hierarchy(folder: Path, hierarchy: Hierarchy) -> None:
    """Raises HostError. Only while `changing`."""
    try:
        write_file(folder / "bundle.crt", _pem(*hierarchy.roots), mode=0o644)
        write_file(folder / "intermediate.pem", _issuer_pem(hierarchy.intermediate, *hierarchy.cross))
        if hierarchy.root is not None:
            write_file(folder / "root.pem", _issuer_pem(hierarchy.root))
    except OSError as error:
        raise _unusable(folder, error) from error


@contextmanager
def changing(folder: Path) -> Iterator[None]:
    """Make the folder if need be, and be its only writer while the block runs. Waits for another one, which is quick.

    Raises HostError when it cannot be written.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unusable(folder, error) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _read(folder: Path) -> Hierarchy:
    """Raises OSError, ValueError."""
    # In this order: a bundle that is read later than the rest has all that the rest needs.
    intermediate, cross = _read_issuer(folder / "intermediate.pem")
    root: Issuer | None = None
    with contextlib.suppress(FileNotFoundError):
        root, _ = _read_issuer(folder / "root.pem")
    roots = x509.load_pem_x509_certificates((folder / "bundle.crt").read_bytes())
    return Hierarchy(roots=tuple(roots), root=root, intermediate=intermediate, cross=cross)


def _check_writers(folder: Path) -> None:
    """Whoever may write to the folder can put an authority of his own in the place of this one. Who may read it sees no
    key: those have a mode of their own. Raises HostError, OSError.
    """
    found = folder.stat()
    mode = stat.S_IMODE(found.st_mode)
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise HostError(
            f"cannot use the authority in {folder}: others may write there (mode {mode:04o}), and put theirs in its "
            f"place; chmod go-w {folder}, or choose another folder"
        )
    if found.st_uid not in (0, os.geteuid()):
        raise HostError(
            f"cannot use the authority in {folder}: it is the folder of another user ({found.st_uid}), who could put "
            "theirs in its place; choose another folder"
        )


def _is_new(folder: Path) -> bool:
    """Nothing of an authority is there. A root without the rest is somebody's: it is not written over."""
    return not any((folder / name).exists() for name in ("root.pem", "intermediate.pem", "bundle.crt"))


def _read_issuer(path: Path) -> tuple[Issuer, tuple[x509.Certificate, ...]]:
    """Raises OSError, ValueError."""
    content = path.read_bytes()
    first, *rest = x509.load_pem_x509_certificates(content)
    key = serialization.load_pem_private_key(content, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError(f"the key in {path.name} is not ECDSA")
    if key.public_key() != first.public_key():
        raise ValueError(f"the key in {path.name} is not its certificate's")
    return Issuer(first, key), tuple(rest)


def _issuer_pem(issuer: Issuer, *more: x509.Certificate) -> bytes:
    return _pem(issuer.certificate, *more) + format_key(issuer.key).encode()


def _pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(one.public_bytes(serialization.Encoding.PEM) for one in certificates)


def _unusable(folder: Path, error: OSError | ValueError) -> HostError:
    cause = error.strerror if isinstance(error, OSError) else str(error)
    return HostError(f"cannot use the authority in {folder}: {cause}; choose another folder, or correct that")
