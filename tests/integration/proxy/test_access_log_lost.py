"""The access log's file, folder or space is gone while it is written: that is said, and it goes on when it is back."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.proxy.agents import Agent
from tests.proxy_traffic import PATIENCE, Sidecar, WatchfulSidecar, free_port, read_log, until

_WRITABLE = "pillion_proxy_access_log_writable"
_REOPENINGS = "pillion_proxy_access_log_reopenings_total"


class World:
    def __init__(self, folder: Path, agent: Agent) -> None:
        self.logs = folder / "logs"
        self.logs.mkdir()
        self.log = self.logs / "access.log"
        self.port = free_port()
        inbound = {"name": "agent", "port": self.port, "tls": "none", "routes": [{"to": agent.port}]}
        self.sidecar: Sidecar = WatchfulSidecar(
            folder, {"inbound": [inbound], "accessLog": {"path": str(self.log)}}
        )

    def ask(self, path: str) -> None:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=PATIENCE) as answer:
            assert answer.status == 200

    def is_logged(self, path: str) -> bool:
        return path in [line["path"] for line in read_log(self.log)]

    def until_logged(self, path: str) -> None:
        until(lambda: self.is_logged(path))

    def until_logged_again(self, path: str) -> None:
        """Lines are lost until Envoy has a file again: asked until one is there."""

        def is_logged() -> bool:
            self.ask(path)
            return self.is_logged(path)

        until(is_logged)

    def until_writable(self, value: float) -> None:
        until(lambda: self.sidecar.metric(_WRITABLE) == value)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with Agent() as agent:
        made = World(tmp_path, agent)
        with made.sidecar as sidecar:
            sidecar.until_ready()
            yield made


@pytest.mark.parametrize("is_replaced", [False, True], ids=["removed", "replaced"])
def test_a_file_that_was_taken_away_is_begun_anew(world: World, is_replaced: bool) -> None:
    world.ask("/before")
    world.until_logged("/before")

    if is_replaced:
        other = world.logs / "other"
        other.touch()
        other.rename(world.log)
    else:
        world.log.unlink()
    until(lambda: world.sidecar.metric(_REOPENINGS))
    world.until_logged_again("/after")
    assert "was taken away; Envoy begins it anew" in world.sidecar.said()


def test_a_folder_that_is_gone_is_said_once(world: World) -> None:
    world.ask("/before")
    world.until_logged("/before")
    shutil.rmtree(world.logs)
    world.until_writable(0)
    world.ask("/lost")
    world.logs.mkdir()
    world.until_writable(1)
    world.until_logged_again("/after")
    said = world.sidecar.said()
    assert said.count("is not written: its folder is gone; its lines are lost") == 1
    assert said.count("is written again") == 1


@pytest.mark.host
def test_a_full_disk_is_said_once(tmp_path: Path) -> None:
    with Agent() as agent:
        world = World(tmp_path, agent)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", world.logs], check=True)
        try:
            with world.sidecar as sidecar:
                sidecar.until_ready()
                world.ask("/before")
                world.until_logged("/before")
                filler = world.logs / "filler"
                filler.touch()
                with contextlib.suppress(OSError):
                    filler.write_bytes(bytes(1 << 20))
                world.ask("/" + "x" * 8192)
                world.until_writable(0)
                assert (sidecar.metric("envoy_filesystem_write_failed") or 0) > 0
                filler.unlink()
                world.ask("/after")
                world.until_writable(1)
                said = sidecar.said()
                assert said.count("is not written: the file system is full; its lines are lost") == 1
                assert said.count("is written again") == 1
        finally:
            subprocess.run(["umount", "-l", world.logs], check=True)
