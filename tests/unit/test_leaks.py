"""The leak check of the host tests finds what it is there to find."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests import leaks

from pillion.network.leases import bridge_name

pytestmark = pytest.mark.host


def test_a_process_that_names_the_folder_is_left_behind(tmp_path: Path) -> None:
    child = subprocess.Popen(("/bin/sh", "-c", "read line", str(tmp_path)), stdin=subprocess.PIPE)
    try:
        leaks.watch(str(tmp_path))
        assert leaks.take_watched() == [f"process {child.pid}: /bin/sh -c read line {tmp_path}"]
    finally:
        child.communicate()
    leaks.watch(str(tmp_path))
    assert leaks.take_watched() == []


def test_a_mount_in_the_folder_is_left_behind(tmp_path: Path) -> None:
    (tmp_path / "shm").mkdir()
    subprocess.run(("mount", "-t", "tmpfs", "shm", str(tmp_path / "shm")), check=True)
    try:
        leaks.watch(str(tmp_path))
        assert leaks.take_watched() == [f"mount {tmp_path}/shm"]
    finally:
        subprocess.run(("umount", str(tmp_path / "shm")), check=True)


def test_the_bridge_and_the_table_of_a_state_directory_are_left_behind(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    name = bridge_name(str(tmp_path / "state"))
    subprocess.run(("ip", "link", "add", name, "type", "bridge"), check=True)
    try:
        subprocess.run(("nft", "add", "table", "ip", name), check=True)
        leaks.watch(str(tmp_path))
        assert leaks.take_watched() == [
            f"bridge {name} of {tmp_path}/state",
            f"nftables table {name} of {tmp_path}/state",
        ]
    finally:
        subprocess.run(("ip", "link", "delete", name), check=True)
        subprocess.run(("nft", "delete", "table", "ip", name), check=True)


def test_the_cgroup_of_a_pod_is_left_behind() -> None:
    uid = "00000000-dead-4000-8000-000000000000"
    trees = [tree for tree in Path("/sys/fs/cgroup").glob("*/pillion") if tree.is_dir()]
    root = trees[0] if trees else Path("/sys/fs/cgroup/pillion")
    group = root / f"pod{uid}"
    group.mkdir(parents=True)
    try:
        leaks.watch_pod(uid)
        assert leaks.take_watched() == [f"cgroup {group}"]
    finally:
        group.rmdir()
