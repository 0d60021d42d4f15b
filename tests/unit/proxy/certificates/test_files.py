"""Files of one moment, whoever swaps them meanwhile; what cannot be read is said with its remedy."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pillion.proxy.certificates.contents import Contents
from pillion.proxy.certificates.files import SIZE_LIMIT, read_contents
from pillion.proxy.certificates.purpose import Purpose
from pillion.proxy.configuration.values import Certificate

ALL = Purpose(serves=True, calls=True, verifies=True)
NAMES = ("tls.crt", "tls.key", "ca.crt")


def entry(folder: Path) -> Certificate:
    chain, key, bundle = (str(folder / name) for name in NAMES)
    return Certificate(name="agent", chain=chain, key=key, bundle=bundle)


def write(folder: Path, text: str) -> None:
    folder.mkdir(exist_ok=True, parents=True)
    for name in NAMES:
        (folder / name).write_text(f"{text} {name}")


def publish(volume: Path, text: str) -> None:
    """As the kubelet does it: a new folder, and one rename that makes it the present one."""
    write(volume / f"..{text}", text)
    (volume / "..data_tmp").symlink_to(f"..{text}")
    (volume / "..data_tmp").rename(volume / "..data")
    for name in NAMES:
        if not (volume / name).is_symlink():
            (volume / name).symlink_to(f"..data/{name}")


def test_plain_files_are_read(tmp_path: Path) -> None:
    write(tmp_path, "one")
    assert read_contents(entry(tmp_path), ALL) == Contents(
        chain=b"one tls.crt", key=b"one tls.key", bundle=b"one ca.crt"
    )


def test_a_volume_is_read(tmp_path: Path) -> None:
    publish(tmp_path, "one")
    assert read_contents(entry(tmp_path), ALL).key == b"one tls.key"


def test_a_path_with_folders_below_the_volume_is_of_the_same_moment(tmp_path: Path) -> None:
    write(tmp_path / "..one" / "certs", "one")
    (tmp_path / "..data").symlink_to("..one")
    (tmp_path / "certs").symlink_to("..data/certs")
    assert read_contents(entry(tmp_path / "certs"), ALL).chain == b"one tls.crt"


FLIP = """
import itertools, os, sys
os.chdir(sys.argv[1])
for name in itertools.cycle(("..two", "..one")):
    os.symlink(name, "..data_tmp")
    os.rename("..data_tmp", "..data")
"""


def test_a_swap_between_two_files_does_not_mix_them(tmp_path: Path) -> None:
    """Another process swaps as fast as it can; it is one, as a thread would hold up our reading."""
    write(tmp_path / "..two", "two")
    publish(tmp_path, "one")
    certificate = entry(tmp_path)
    flipping = subprocess.Popen([sys.executable, "-S", "-c", FLIP, str(tmp_path)])
    seen: list[bytes] = []
    try:
        while len(seen) < 300 or len(set(seen)) < 2:
            found = read_contents(certificate, ALL)
            assert found.faults == ()
            (moment,) = {part.split()[0] for part in (found.chain, found.key, found.bundle)}
            seen.append(moment)
    finally:
        flipping.kill()
        flipping.wait()


def test_what_is_not_needed_may_be_missing(tmp_path: Path) -> None:
    write(tmp_path, "one")
    (tmp_path / "ca.crt").unlink()
    assert read_contents(entry(tmp_path), Purpose(serves=True)).faults == ()
    (tmp_path / "tls.key").unlink()
    (tmp_path / "tls.crt").unlink()
    assert read_contents(entry(tmp_path), Purpose()) == Contents()


def test_missing_files_are_named(tmp_path: Path) -> None:
    faults = read_contents(entry(tmp_path / "nowhere"), ALL).faults
    assert [fault.path.rsplit("/", 1)[1] for fault in faults] == list(NAMES)
    assert {str(fault.reason) for fault in faults} == {"missing"}


@pytest.mark.parametrize("kind", ["folder", "fifo", "loop", "huge", "below a file", "NUL"])
def test_what_is_no_file_is_refused_and_never_waited_for(tmp_path: Path, kind: str) -> None:
    write(tmp_path, "one")
    path = tmp_path / "tls.crt"
    path.unlink()
    certificate = entry(tmp_path)
    match kind:
        case "folder":
            path.mkdir()
        case "fifo":
            os.mkfifo(path)
        case "loop":
            path.symlink_to(path)
        case "huge":
            with path.open("wb") as file:
                file.truncate(SIZE_LIMIT + 1)
        case "below a file":
            certificate = entry(tmp_path / "tls.key")
        case _:
            certificate = entry(tmp_path / "a\0b")
    faults = read_contents(certificate, Purpose(serves=True)).faults
    assert faults
    assert {str(fault.reason) for fault in faults} <= {"unreadable", "missing"}
    assert all(fault.text and fault.remedy for fault in faults)


def test_a_file_that_may_not_be_read_has_its_remedy(tmp_path: Path) -> None:
    write(tmp_path, "one")
    (tmp_path / "tls.key").chmod(0)
    libc = ctypes.CDLL(None)
    own = libc.setfsuid(65534)  # root may read everything; this thread is somebody else to the file system
    try:
        faults = read_contents(entry(tmp_path), ALL).faults
    finally:
        libc.setfsuid(own)
    assert {str(fault.reason) for fault in faults} == {"unreadable"}
    assert "fsGroup" in faults[-1].remedy
