"""Unpacking a layer's tar stream into a folder of its own, in overlay's terms.

An archive is a stranger's: names, links and devices in it may try to reach the host. Nothing here follows a link of
the file system. Each entry's folder is found step by step from the layer's root (links are taken by hand, inside that
root, as a chroot would), and the entry is made relative to that open folder. Device nodes are left out: a container
gets its own /dev. Attributes that overlay would take for its own are dropped.

Whiteouts (image-spec, layer.md) become overlay's: a character device 0:0 for `.wh.NAME`, an attribute for
`.wh..wh..opq`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import tarfile
from pathlib import PurePosixPath
from typing import IO, Self

from pillion.containers.images.failure import ArchiveError
from pillion.errors import HostError

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_OPAQUE = "trusted.overlay.opaque"
_WHITEOUT = ".wh."
_OPAQUE_MARKER = ".wh..wh..opq"
_AUFS = ".wh..wh."
_XATTR = "SCHILY.xattr."
_KEPT_XATTRS = ("security.capability", "user.")
_MAX_LINKS = 40
_MAX_ID = 2**32 - 1
_MAX_TIME = 2**33
_CHUNK = 1 << 20
_EXTENDED = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
_MAX_EXTENDED = 1 << 20
_FULL = (errno.ENOSPC, errno.EDQUOT)
_NOT_PERMITTED = (errno.EPERM, errno.EACCES)


def unpack_layer(stream: IO[bytes], root: str) -> int:
    """Unpack into the empty folder `root`; returns the bytes of its files.

    Raises ArchiveError for what an archive may not do, HostError for a full disk or missing rights; the readers'
    own exceptions (archivefile.DAMAGED) pass through.
    """
    root_fd = os.open(root, _DIRECTORY)
    try:
        with tarfile.open(fileobj=stream, mode="r|", tarinfo=_Member) as tar, _Layer(root_fd) as layer:
            while (member := tar.next()) is not None:
                try:
                    layer.add(member, tar)
                except OSError as error:
                    raise _explained(member, error) from error
                tar.members.clear()  # type: ignore[attr-defined]  # each is needed once
            layer.finish()
            return layer.size_bytes
    finally:
        os.close(root_fd)


class _Member(tarfile.TarInfo):
    """A header. Extended headers are read into memory as a whole, so their size is bounded."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        member = super().frombuf(buf, encoding, errors)
        if member.type in _EXTENDED and member.size > _MAX_EXTENDED:
            raise ArchiveError(f"an extended header of {member.size} bytes is too large")
        return member


def _explained(member: tarfile.TarInfo, error: OSError) -> HostError:
    if error.errno in _FULL:
        return HostError(f"cannot unpack {member.name!r}: the disk is full")
    if error.errno in _NOT_PERMITTED:
        return HostError(f"cannot unpack {member.name!r}: {error.strerror}; unpacking images needs root")
    return ArchiveError(f"cannot unpack {member.name!r}: {error.strerror or error}")


class _Layer:
    """The folder being filled."""

    def __init__(self, root_fd: int) -> None:
        self._root_fd = root_fd
        self._times: list[tuple[tuple[str, ...], int]] = []
        self._parent: tuple[tuple[str, ...], int] | None = None
        self.size_bytes = 0

    def __enter__(self) -> _Layer:
        return self

    def __exit__(self, *_: object) -> None:
        self._forget_parent()

    def add(self, member: tarfile.TarInfo, tar: tarfile.TarFile) -> None:
        path = _steps(member.name)
        if not path:
            if member.isdir():
                _set_metadata(self._root_fd, member)
                self._times.append((path, _mtime_ns(member)))
            return
        parent = self._open_parent(path[:-1])
        name = path[-1]
        if name.startswith(_WHITEOUT):
            self._whiteout(parent, name)
        elif member.isdir():
            self._directory(parent, name, member)
            self._times.append((path, _mtime_ns(member)))
        elif member.isreg():
            self._clear(parent, name)
            self._file(parent, name, member, tar)
        elif member.issym():
            self._clear(parent, name)
            os.symlink(member.linkname, name, dir_fd=parent)
            os.chown(name, *_owner(member), dir_fd=parent, follow_symlinks=False)
            _set_time(name, parent, _mtime_ns(member))
        elif member.islnk():
            self._hard_link(parent, name, member)
        elif member.isfifo():
            self._clear(parent, name)
            os.mkfifo(name, 0o600, dir_fd=parent)
            os.chown(name, *_owner(member), dir_fd=parent, follow_symlinks=False)
            os.chmod(name, member.mode & 0o7777, dir_fd=parent)
        elif not member.isdev():
            raise ArchiveError(f"cannot unpack {member.name!r}: unknown kind of entry {member.type!r}")

    def finish(self) -> None:
        """Folders get their times last: filling them changed those."""
        self._forget_parent()
        for path, time_ns in reversed(self._times):
            with contextlib.suppress(FileNotFoundError, NotADirectoryError, ArchiveError):
                fd = self._walk(path, create=False)
                try:
                    os.utime(fd, ns=(time_ns, time_ns))
                finally:
                    os.close(fd)

    def _directory(self, parent: int, name: str, member: tarfile.TarInfo) -> None:
        seen = _lstat(name, parent)
        if seen is None or not stat.S_ISDIR(seen.st_mode):
            self._clear(parent, name)
            os.mkdir(name, 0o700, dir_fd=parent)
        fd = os.open(name, _DIRECTORY, dir_fd=parent)
        try:
            if seen is not None and _is_whiteout(seen):
                # Deleted and made anew in one layer: what lies below must not shine through.
                os.setxattr(fd, _OPAQUE, b"y")
            _set_metadata(fd, member)
        finally:
            os.close(fd)

    def _file(self, parent: int, name: str, member: tarfile.TarInfo, tar: tarfile.TarFile) -> None:
        content = tar.extractfile(member)
        fd = os.open(name, _NEW_FILE, 0o600, dir_fd=parent)
        with os.fdopen(fd, "wb", buffering=0) as file:
            if member.issparse() and content is not None:
                _write_sparse(content, file)
                file.truncate(member.size)
            elif content is not None:
                shutil.copyfileobj(content, file, _CHUNK)
            if os.fstat(fd).st_size != member.size:
                raise EOFError(f"{member.name} is cut short")
            _set_metadata(fd, member)
            time_ns = _mtime_ns(member)
            os.utime(fd, ns=(time_ns, time_ns))
        self.size_bytes += member.size

    def _hard_link(self, parent: int, name: str, member: tarfile.TarInfo) -> None:
        target = _steps(member.linkname)
        if not target:
            raise ArchiveError(f"cannot unpack {member.name!r}: a hard link to the root")
        folder = self._walk(target[:-1], create=False)
        try:
            seen = _lstat(target[-1], folder)
            if seen is None or stat.S_ISDIR(seen.st_mode) or _is_whiteout(seen):
                raise ArchiveError(
                    f"cannot unpack {member.name!r}: a hard link to {member.linkname!r}, which is no file of this layer"
                )
            if not _is_same(_lstat(name, parent), seen):
                self._clear(parent, name)
                os.link(target[-1], name, src_dir_fd=folder, dst_dir_fd=parent, follow_symlinks=False)
        finally:
            os.close(folder)

    def _whiteout(self, parent: int, name: str) -> None:
        if name == _OPAQUE_MARKER:
            os.setxattr(parent, _OPAQUE, b"y")
            return
        if name.startswith(_AUFS):
            return
        hidden = name.removeprefix(_WHITEOUT)
        if hidden in ("", ".", ".."):
            raise ArchiveError(f"cannot unpack {name!r}: a whiteout of nothing")
        seen = _lstat(hidden, parent)
        if seen is None:
            os.mknod(hidden, stat.S_IFCHR, os.makedev(0, 0), dir_fd=parent)
        elif stat.S_ISDIR(seen.st_mode):
            # A whiteout is about the layers below; what this layer itself holds under the name stays.
            fd = os.open(hidden, _DIRECTORY, dir_fd=parent)
            try:
                os.setxattr(fd, _OPAQUE, b"y")
            finally:
                os.close(fd)

    def _clear(self, parent: int, name: str) -> None:
        """A later entry replaces an earlier one of the same name."""
        seen = _lstat(name, parent)
        if seen is None:
            return
        if stat.S_ISDIR(seen.st_mode):
            shutil.rmtree(name, dir_fd=parent)
        else:
            os.unlink(name, dir_fd=parent)

    def _open_parent(self, path: tuple[str, ...]) -> int:
        """The folder of an entry, made if need be. Neighbours in a tar are mostly neighbours in the tree."""
        if self._parent is None or self._parent[0] != path:
            self._forget_parent()
            self._parent = (path, self._walk(path, create=True))
        return self._parent[1]

    def _forget_parent(self) -> None:
        if self._parent is not None:
            os.close(self._parent[1])
            self._parent = None

    def _walk(self, path: tuple[str, ...], *, create: bool) -> int:
        """Open a folder below the root; links on the way are taken inside the root. The caller closes it."""
        trail = [os.dup(self._root_fd)]
        todo = list(path)
        links = 0
        try:
            while todo:
                step = todo.pop(0)
                if step == "..":
                    if len(trail) > 1:
                        os.close(trail.pop())
                    continue
                try:
                    trail.append(_open_folder(step, trail[-1], create=create))
                    continue
                except NotADirectoryError:
                    target = _read_link(step, trail[-1])
                links += 1
                if links > _MAX_LINKS:
                    raise ArchiveError(f"cannot unpack {'/'.join(path)!r}: too many links on the way")
                if target.startswith("/"):
                    while len(trail) > 1:
                        os.close(trail.pop())
                todo = [part for part in target.split("/") if part not in ("", ".")] + todo
            return trail.pop()
        finally:
            for fd in trail:
                os.close(fd)


def _open_folder(name: str, parent: int, *, create: bool) -> int:
    seen = _lstat(name, parent) if create else None
    is_whiteout = seen is not None and _is_whiteout(seen)
    if is_whiteout:
        os.unlink(name, dir_fd=parent)
    if create and (seen is None or is_whiteout):
        os.mkdir(name, 0o755, dir_fd=parent)
    fd = os.open(name, _DIRECTORY, dir_fd=parent)
    if is_whiteout:
        os.setxattr(fd, _OPAQUE, b"y")
    return fd


def _read_link(name: str, parent: int) -> str:
    """Raises ArchiveError when the thing that is not a folder is not a link either."""
    try:
        return os.readlink(name, dir_fd=parent)
    except OSError as error:
        raise ArchiveError(f"cannot unpack below {name!r}: it is not a folder") from error


def _steps(name: str) -> tuple[str, ...]:
    """The components of a name in an archive. Raises ArchiveError for `..` and NUL."""
    steps = tuple(part for part in PurePosixPath(name).parts if part not in ("/", "//", "."))
    if ".." in steps or "\0" in name:
        raise ArchiveError(f"cannot unpack {name!r}: it leads out of the image")
    return steps


def _lstat(name: str, parent: int) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _is_whiteout(seen: os.stat_result) -> bool:
    return stat.S_ISCHR(seen.st_mode) and seen.st_rdev == 0


def _is_same(one: os.stat_result | None, other: os.stat_result) -> bool:
    return one is not None and (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)


def _owner(member: tarfile.TarInfo) -> tuple[int, int]:
    if not (0 <= member.uid < _MAX_ID and 0 <= member.gid < _MAX_ID):
        raise ArchiveError(
            f"cannot unpack {member.name!r}: its owner {member.uid}:{member.gid} is not possible"
        )
    return member.uid, member.gid


def _set_metadata(fd: int, member: tarfile.TarInfo) -> None:
    """Owner before mode and capabilities: a change of owner takes those away."""
    os.fchown(fd, *_owner(member))
    os.fchmod(fd, member.mode & 0o7777)
    for key, value in member.pax_headers.items():
        attribute = key.removeprefix(_XATTR)
        if key.startswith(_XATTR) and attribute.startswith(_KEPT_XATTRS):
            try:
                os.setxattr(fd, attribute, value.encode("utf-8", "surrogateescape"))
            except OSError as error:
                # A filesystem without `user.` attributes loses only a note; a capability is part of the program.
                if error.errno != errno.EOPNOTSUPP or attribute == "security.capability":
                    raise


def _mtime_ns(member: tarfile.TarInfo) -> int:
    return int(min(max(member.mtime, 0), _MAX_TIME) * 1_000_000_000)


def _set_time(name: str, parent: int, time_ns: int) -> None:
    os.utime(name, ns=(time_ns, time_ns), dir_fd=parent, follow_symlinks=False)


def _write_sparse(content: IO[bytes], file: IO[bytes]) -> None:
    """Holes stay holes."""
    while part := content.read(_CHUNK):
        if part.strip(b"\0"):
            file.write(part)
        else:
            file.seek(len(part), os.SEEK_CUR)
