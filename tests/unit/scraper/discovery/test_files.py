from __future__ import annotations

import logging
import os
from pathlib import Path

from pillion.scraper.configuration import FileSdConfig
from pillion.scraper.configuration.schema import FilePath
from pillion.scraper.discovery import DiscoveryCounters
from pillion.scraper.discovery.files import FileDiscovery

LOG = logging.getLogger("test")


def discovery(folder: Path, counters: DiscoveryCounters | None = None) -> FileDiscovery:
    config = FileSdConfig(files=(FilePath(f"{folder}/*.json"), FilePath(f"{folder}/*.yml")))
    return FileDiscovery(config, counters or DiscoveryCounters(), LOG)


def addresses(found: object) -> list[str] | None:
    return None if found is None else [address for group in found for address in group.targets]  # type: ignore[attr-defined]


def test_files_are_read_when_they_change_and_not_before(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('[{"targets": ["a:1"]}]')
    (tmp_path / "b.yml").write_text("- targets: [b:1]\n")
    found = discovery(tmp_path)
    assert addresses(found.refresh()) == ["a:1", "b:1"]
    assert found.refresh() is None
    (tmp_path / "b.yml").write_text("- targets: [b:1, b:2]\n")
    assert addresses(found.refresh()) == ["a:1", "b:1", "b:2"]
    (tmp_path / "a.json").unlink()
    assert addresses(found.refresh()) == ["b:1", "b:2"]
    (tmp_path / "b.yml").unlink()
    assert addresses(found.refresh()) == []


def test_a_bad_file_keeps_its_last_good_groups_and_is_counted(tmp_path: Path) -> None:
    counters = DiscoveryCounters()
    file = tmp_path / "a.json"
    file.write_text('[{"targets": ["a:1"]}]')
    found = discovery(tmp_path, counters)
    found.refresh()
    file.write_text('[{"targets": ["a:1", "a:')
    assert found.refresh() is None
    assert counters.file_read_errors == 1
    file.write_text('[{"targets": ["a:1", "a:2"]}]')
    assert addresses(found.refresh()) == ["a:1", "a:2"]


def test_a_mounted_configmap_that_is_exchanged_is_seen(tmp_path: Path) -> None:
    for version, port in (("one", 1), ("two", 2)):
        (tmp_path / version).mkdir()
        (tmp_path / version / "a.json").write_text(f'[{{"targets": ["a:{port}"]}}]')
    (tmp_path / "data").symlink_to("one")
    (tmp_path / "a.json").symlink_to("data/a.json")
    found = discovery(tmp_path)
    assert addresses(found.refresh()) == ["a:1"]
    (tmp_path / "new").symlink_to("two")
    os.replace(tmp_path / "new", tmp_path / "data")  # noqa: PTH105 - as kubelet does it
    assert addresses(found.refresh()) == ["a:2"]
