"""What an image needs and the host has not is made in the container's own layer, and nowhere else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pillion.containers import overlay
from pillion.containers.images.reference import parse_reference
from pillion.containers.images.standins import stand_in
from pillion.errors import HostError
from pillion.plan.containerspec import AddedFile, AddedFolder, AddedLink, Addition

pytestmark = pytest.mark.host


class Place:
    """A layer with some content, and a container's folder that is unmounted in the end."""

    def __init__(self, root: Path) -> None:
        self.layer = root / "layer"
        self.container = root / "container"
        self.container.mkdir()
        (self.layer / "srv/data").mkdir(parents=True)
        (self.layer / "srv").chmod(0o711)
        os.chown(self.layer / "srv", 12, 34)
        (self.layer / "srv/data/old").write_text("below")

    def mount(self, *additions: Addition) -> Path:
        return overlay.mount_rootfs(self.container, (str(self.layer),), additions)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    overlay.unmount_rootfs(place.container)


def test_an_added_folder_has_its_owner_and_mode_and_hides_what_lies_below(place: Place) -> None:
    root = place.mount(AddedFolder(path="/srv/data", mode=0o1770, uid=7, gid=8))
    seen = (root / "srv/data").stat()
    assert (seen.st_uid, seen.st_gid, seen.st_mode & 0o7777) == (7, 8, 0o1770)
    assert list((root / "srv/data").iterdir()) == []
    assert (place.layer / "srv/data/old").read_text() == "below"


def test_folders_on_the_way_look_as_they_do_below(place: Place) -> None:
    root = place.mount(AddedFile(path="/srv/etc/x.yml", content=b"x: 1"))
    srv, etc = (root / "srv").stat(), (root / "srv/etc").stat()
    assert (srv.st_uid, srv.st_gid, srv.st_mode & 0o7777) == (12, 34, 0o711)
    assert (etc.st_uid, etc.st_gid, etc.st_mode & 0o7777) == (0, 0, 0o755)
    assert (root / "srv/etc/x.yml").read_text() == "x: 1"
    assert (root / "srv/data/old").read_text() == "below"


def test_an_added_link_replaces_a_folder(place: Place) -> None:
    root = place.mount(AddedFolder(path="/own"), AddedLink(path="/srv/data", target="/own"))
    assert os.readlink(root / "srv/data") == "/own"  # noqa: PTH115 - as it is written


@pytest.mark.parametrize(
    ("addition", "said"),
    [
        (AddedFile(path="/link/x", content=b""), "cannot add /link/x to the image: Not a directory"),
        (AddedFile(path="/below/x", content=b""), "cannot add anything below /below to the image"),
    ],
)
def test_no_link_is_followed_out_of_the_layer(
    place: Place, tmp_path: Path, addition: Addition, said: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (place.layer / "below").symlink_to(outside)
    with pytest.raises(HostError, match=said):
        place.mount(AddedLink(path="/link", target=str(outside)), addition)
    assert list(outside.iterdir()) == []


def test_prometheus_root_is_the_host_with_a_storage_folder_of_its_own(
    place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "prometheus").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    config = stand_in(parse_reference("prom/prometheus"))
    assert config is not None
    root = overlay.mount_rootfs(place.container, config.root_layers, config.additions)
    assert (root / "prometheus").stat().st_uid == 65534
    assert (root / "var/lib/prometheus/metrics2").readlink() == Path("/prometheus/data")
    assert (root / "prometheus/data").stat().st_uid == 65534
    assert (root / "etc/prometheus/prometheus.yml").is_file()
    assert (root / "bin/sh").exists()
    assert not Path("/prometheus").exists()
