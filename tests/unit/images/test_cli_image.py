from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner, Result
from tests.unit.images.archives import docker_archive, entry, tar_of

from pillion.cli.image import image


def run(state: Path, *arguments: str) -> Result:
    return CliRunner().invoke(image, ["--state-dir", str(state), *arguments])


def test_an_image_is_loaded_listed_and_removed(tmp_path: Path) -> None:
    file = tmp_path / "app.tar"
    file.write_bytes(docker_archive([tar_of(entry("big", b"x" * 12_345))]))
    loaded = run(tmp_path / "state", "load", str(file))
    assert loaded.exit_code == 0
    assert loaded.output.startswith("Loaded docker.io/library/app:v1 (")
    header, row = run(tmp_path / "state", "ls").output.splitlines()
    assert header.split() == ["NAME", "IMAGE", "ID", "SIZE", "CREATED"]
    assert row.split()[0] == "docker.io/library/app:v1"
    assert row.split()[2] == "12.3kB"
    assert run(tmp_path / "state", "rm", "app:v1").output == "Removed app:v1\n"
    assert len(run(tmp_path / "state", "ls").output.splitlines()) == 1


def test_what_goes_wrong_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "app.tar"
    file.write_bytes(b"no archive")
    loaded = run(tmp_path / "state", "load", str(file))
    assert loaded.exit_code == 1
    assert loaded.output.startswith(f"Error: cannot read {file}: not an image archive")
    assert run(tmp_path / "state", "rm", "nope").output.startswith(
        "Error: cannot remove nope: there is no such"
    )
