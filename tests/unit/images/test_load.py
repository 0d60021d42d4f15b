"""Loading archives, and looking up what was loaded."""

from __future__ import annotations

import asyncio
import gzip
import json
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from tests.unit.images.archives import (
    COMPRESSIONS,
    config_of,
    digest,
    docker_archive,
    entry,
    folder,
    oci_files,
    tar_of,
    tar_of_files,
    write_folder,
)

from pillion.containers.images import (
    ArchiveError,
    ImageError,
    ImageSources,
    ImageStore,
    PullFailure,
    PullPolicy,
    parse_sources,
)
from pillion.errors import HostError
from pillion.plan.containerspec import GroupEntry, ImageConfig, PasswdEntry
from pillion.statedir import StateDir

BASE = tar_of(
    folder("etc"),
    entry("etc/passwd", b"root:x:0:0::/root:/bin/sh\napp:x:1000:1001::/home/app:\n# no\nbad\n"),
    entry("etc/group", b"root:x:0:\nstaff:x:50:app,root\n"),
)
TOP = tar_of(folder("app"), entry("app/run", b"#!/bin/sh\n", mode=0o755))
IF_NOT_PRESENT = PullPolicy.IF_NOT_PRESENT


@pytest.fixture
def state(tmp_path: Path) -> StateDir:
    return StateDir(PurePosixPath(tmp_path / "state"))


def store_of(state: StateDir, *images: str, stand_ins: bool = False) -> ImageStore:
    return ImageStore(state, parse_sources(images, folder=Path("/"), stand_ins=stand_ins))


def load(state: StateDir, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "image.tar"
    file.write_bytes(content)
    asyncio.run(store_of(state).load(file))


def ensure(state: StateDir, image: str, *sources: str) -> ImageConfig:
    return asyncio.run(store_of(state, *sources).ensure(image, IF_NOT_PRESENT)).config


def leftovers(state: StateDir) -> list[str]:
    root = Path(state.images)
    return [path.name for path in (root / "unpacking").iterdir()] if root.exists() else []


FORMATS = {
    "docker": docker_archive([BASE, TOP]),
    "docker, gzip around it": gzip.compress(docker_archive([BASE, TOP])),
    "docker, zstd around it": COMPRESSIONS["zstd"](docker_archive([BASE, TOP])),
    **{f"oci, {name}": tar_of_files(oci_files([BASE, TOP], compress=c)) for name, c in COMPRESSIONS.items()},
}


@pytest.mark.parametrize("content", FORMATS.values(), ids=FORMATS)
def test_every_format_gives_the_same_image(content: bytes, state: StateDir, tmp_path: Path) -> None:
    load(state, tmp_path, content)
    config = ensure(state, "app:v1")
    assert config.reference == "docker.io/library/app:v1"
    assert config.image_id == digest(config_of([BASE, TOP]))
    assert (Path(config.root_layers[0]) / "app/run").read_bytes() == b"#!/bin/sh\n"
    assert (Path(config.root_layers[1]) / "etc/passwd").exists()
    assert config.passwd == (PasswdEntry("root", 0, 0, "/root"), PasswdEntry("app", 1000, 1001, "/home/app"))
    assert config.groups == (GroupEntry("root", 0, ()), GroupEntry("staff", 50, ("app", "root")))
    assert leftovers(state) == []


def test_an_oci_layout_may_be_a_folder(state: StateDir, tmp_path: Path) -> None:
    layout = write_folder(oci_files([BASE]), tmp_path / "layout")
    config = ensure(state, "anything:v9", f"anything={layout}")
    assert config.reference == "docker.io/library/anything:v9"


def test_the_configuration_of_the_image_is_honoured(state: StateDir, tmp_path: Path) -> None:
    raw = config_of(
        [BASE],
        User="app:staff",
        Entrypoint=["/app/run"],
        Cmd=["--fast"],
        Env=["A=1", "B=x=y", "C="],
        WorkingDir="/app",
        StopSignal="SIGQUIT",
    )
    load(state, tmp_path, docker_archive([BASE], config=raw))
    config = ensure(state, "app:v1")
    assert (config.user, config.entrypoint, config.cmd) == ("app:staff", ("/app/run",), ("--fast",))
    assert config.env == (("A", "1"), ("B", "x=y"), ("C", ""))
    assert (config.working_dir, config.stop_signal) == ("/app", "SIGQUIT")


def test_equal_layers_are_stored_once_and_go_with_their_last_image(state: StateDir, tmp_path: Path) -> None:
    load(state, tmp_path, docker_archive([BASE], tags=["base:1"]))
    load(state, tmp_path, docker_archive([BASE, TOP], tags=["app:1", "app:2"]))
    layers = Path(state.images) / "layers"
    assert len(list(layers.iterdir())) == 2
    store = store_of(state)
    assert [image.names for image in store.ls()] == [
        ("docker.io/library/app:1", "docker.io/library/app:2"),
        ("docker.io/library/base:1",),
    ]
    asyncio.run(store.rm("app:1"))
    assert len(list(layers.iterdir())) == 2
    asyncio.run(store.rm("app:2"))
    assert len(list(layers.iterdir())) == 1
    with pytest.raises(HostError, match="no such loaded image"):
        asyncio.run(store.rm("app:2"))


def test_an_image_in_use_is_not_removed(state: StateDir, tmp_path: Path) -> None:
    load(state, tmp_path, docker_archive([BASE]))
    store = store_of(state)
    in_use = frozenset({store.ls()[0].image_id})
    with pytest.raises(HostError, match="a container runs on it"):
        asyncio.run(store.rm("app:v1", in_use=in_use))
    asyncio.run(store.rm(store.ls()[0].image_id[7:15]))
    assert store.ls() == []


def test_a_name_moves_to_the_newest_image(state: StateDir, tmp_path: Path) -> None:
    load(state, tmp_path, docker_archive([BASE]))
    load(state, tmp_path, docker_archive([TOP]))
    assert [image.names for image in store_of(state).ls()] == [("docker.io/library/app:v1",), ()]


def test_an_image_is_found_by_its_manifest_digest(state: StateDir, tmp_path: Path) -> None:
    files = oci_files([BASE])
    load(state, tmp_path, tar_of_files(files))
    manifest = json.loads(files["index.json"])["manifests"][0]["digest"]
    assert ensure(state, f"app@{manifest}").root_layers
    with pytest.raises(ImageError):
        ensure(state, f"other@{manifest}")


def test_of_several_platforms_this_machine_gets_its_own(state: StateDir, tmp_path: Path) -> None:
    ours, theirs = oci_files([BASE]), oci_files([TOP])
    descriptors = [json.loads(files["index.json"])["manifests"][0] for files in (theirs, ours)]
    descriptors[0]["platform"] = {"os": "linux", "architecture": "s390x"}
    index = json.dumps({"manifests": descriptors}).encode()
    outer = {
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "digest": digest(index),
        "size": len(index),
    }
    outer["annotations"] = {"io.containerd.image.name": "docker.io/library/multi:1"}  # type: ignore[assignment]
    files = theirs | ours | {f"blobs/sha256/{digest(index)[7:]}": index}
    files["index.json"] = json.dumps({"manifests": [outer]}).encode()
    load(state, tmp_path, tar_of_files(files))
    assert ensure(state, "multi:1").image_id == digest(config_of([BASE]))


def test_a_half_finished_unpack_is_swept_up(state: StateDir, tmp_path: Path) -> None:
    rubbish = Path(state.images) / "unpacking" / "left"
    rubbish.mkdir(parents=True)
    load(state, tmp_path, docker_archive([BASE]))
    assert leftovers(state) == []


def test_stores_that_load_the_same_archive_at_once_do_not_disturb_each_other(
    state: StateDir, tmp_path: Path
) -> None:
    file = tmp_path / "image.tar"
    file.write_bytes(docker_archive([BASE, TOP]))

    async def both() -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(4):
                group.create_task(store_of(state).load(file))

    asyncio.run(both())
    assert len(store_of(state).ls()) == 1


def test_an_archive_given_as_a_source_is_loaded_once_and_again_when_it_changes(
    state: StateDir, tmp_path: Path
) -> None:
    file = tmp_path / "agent.tar"
    file.write_bytes(docker_archive([BASE], tags=None))
    store = store_of(state, f"agent={file}")

    async def scenario() -> list[tuple[bool, str]]:
        seen = [await store.ensure("agent:v1", IF_NOT_PRESENT) for _ in range(2)]
        file.write_bytes(docker_archive([BASE, TOP], tags=None))
        seen.append(await store.ensure("agent:v1", IF_NOT_PRESENT))
        return [(one.was_present, one.config.image_id) for one in seen]

    first, second = digest(config_of([BASE])), digest(config_of([BASE, TOP]))
    assert asyncio.run(scenario()) == [(False, first), (True, first), (False, second)]


def damaged_blob() -> bytes:
    files = oci_files([BASE])
    name = next(name for name, content in files.items() if content.startswith(b"\x1f\x8b"))
    files[name] = gzip.compress(TOP)
    return tar_of_files(files)


def without_blobs() -> bytes:
    files = oci_files([BASE])
    return tar_of_files(
        {name: content for name, content in files.items() if not content.startswith(b"\x1f\x8b")}
    )


def wrong_digest() -> bytes:
    files = oci_files([BASE])
    files["index.json"] = files["index.json"].replace(b"sha256:", b"sha256:../../", 1)
    return tar_of_files(files)


BAD: dict[str, tuple[Any, str]] = {
    "empty": (b"", "not an image archive"),
    "text": (b"hello" * 400, "not an image archive"),
    "a tar of something else": (tar_of(entry("a", b"b")), "neither index.json"),
    "cut in the middle": (docker_archive([BASE, TOP])[:9000], "not an image archive, or damaged"),
    "gzip cut short": (gzip.compress(docker_archive([BASE]))[:-40], "not an image archive, or damaged"),
    "layer is another": (docker_archive([TOP], config=config_of([BASE])), "its content has sha256:"),
    "layer is no tar": (docker_archive([b"x" * 2000]), "is damaged"),
    "blob is another": (damaged_blob(), "does not match its digest"),
    "blob is missing": (without_blobs(), "is missing"),
    "digest is a path": (wrong_digest(), "is not a digest"),
    "layers without diff IDs": (docker_archive([BASE, TOP], config=config_of([BASE])), "lists 2 layers"),
    "for another machine": (
        docker_archive([BASE], config=config_of([BASE]).replace(b'"linux"', b'"windows"')),
        "the image is for windows/",
    ),
    "config is no JSON": (docker_archive([BASE], config=b"{"), "is not what it should be"),
}


@pytest.mark.parametrize(("content", "message"), BAD.values(), ids=BAD)
def test_a_bad_archive_is_refused_and_leaves_nothing(
    content: bytes, message: str, state: StateDir, tmp_path: Path
) -> None:
    with pytest.raises(ArchiveError, match=message) as raised:
        load(state, tmp_path, content)
    assert str(tmp_path / "image.tar") in str(raised.value)
    assert leftovers(state) == []
    assert list((Path(state.images) / "layers").iterdir()) == []
    assert store_of(state).ls() == []


@pytest.mark.parametrize(
    ("image", "policy", "reason", "message"),
    [
        ("nope/agent:v1", PullPolicy.ALWAYS, PullFailure.PULL, "pillion image load FILE"),
        ("nope/agent:v1", PullPolicy.ALWAYS, PullFailure.PULL, "--image nope/agent:v1=SOURCE"),
        ("fluent/fluent-bit", PullPolicy.ALWAYS, PullFailure.PULL, "no image fluent/fluent-bit"),
        ("x", PullPolicy.NEVER, PullFailure.NEVER_PULL, "not present with pull policy of Never"),
        ("Up", PullPolicy.ALWAYS, PullFailure.INVALID_NAME, r"name \(library/Up\) must be lowercase"),
    ],
)
def test_an_image_that_cannot_be_had_says_why_and_what_to_do(
    image: str, policy: PullPolicy, reason: PullFailure, message: str, state: StateDir
) -> None:
    with pytest.raises(ImageError, match=message) as raised:
        asyncio.run(ImageStore(state, ImageSources(stand_ins=False)).ensure(image, policy))
    assert raised.value.reason is reason
