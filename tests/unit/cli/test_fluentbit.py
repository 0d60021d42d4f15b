"""Fluent Bit's place in a container: which files the image's own configuration ships."""

from __future__ import annotations

import pytest

from pillion.cli.fluentbit import log_globs


@pytest.mark.parametrize(
    ("named", "mounts", "globs"),
    [
        ("", ["/", "/var/log/agent", "/proc"], ["/var/log/agent/*"]),
        ("", ["/var/log"], ["/var/log/*"]),
        ("", ["/var/log/b", "/var/log/a"], ["/var/log/a/*", "/var/log/b/*"]),
        ("", ["/var/logs", "/data"], ["/fluent-bit/no-log-volume-is-mounted/*"]),
        ("/data/logs/:/more", ["/var/log/agent"], ["/data/logs/*", "/more/*"]),
    ],
)
def test_the_files_of_the_log_volumes_are_shipped(named: str, mounts: list[str], globs: list[str]) -> None:
    assert log_globs(named, mounts) == globs
