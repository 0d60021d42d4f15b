"""Configurations for tests: a file read from text, and what is wrong with one."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

import pytest

from pillion.scraper.configuration import Configuration, ConfigurationError, ScrapeConfig, load

FILE = "/etc/prometheus/prometheus.yml"


class Drive:
    """Files by name; a pattern ends in `*` and a suffix."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self._files = files

    def load(self, path: str) -> bytes:
        return self._files[path].encode()

    def matching(self, pattern: str) -> list[str]:
        before, star, after = pattern.partition("*")
        if not star:
            return [pattern] if pattern in self._files else []
        return sorted(name for name in self._files if name.startswith(before) and name.endswith(after))


def read(
    text: str,
    environment: Mapping[str, str] | None = None,
    files: Mapping[str, str] | None = None,
    *,
    agent_mode: bool = False,
) -> Configuration:
    return load(
        textwrap.dedent(text), FILE, environment or {}, files=Drive(files or {}), agent_mode=agent_mode
    )


def scrape(keys: str) -> ScrapeConfig:
    """One job that says `keys` besides its name."""
    return read(job(keys)).scrape_configs[0]


def job(keys: str) -> str:
    return "scrape_configs:\n- job_name: agent\n" + textwrap.indent(textwrap.dedent(keys).strip("\n"), "  ")


def refusal(
    text: str, files: Mapping[str, str] | None = None, *, agent_mode: bool = False
) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as refused:
        read(text, files=files, agent_mode=agent_mode)
    return refused.value


def faults(text: str, files: Mapping[str, str] | None = None, *, agent_mode: bool = False) -> list[str]:
    """Without the name of the file: `LINE: …`."""
    return str(refusal(text, files, agent_mode=agent_mode)).replace(f"{FILE}:", "").splitlines()
