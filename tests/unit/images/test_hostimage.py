"""Host images, their description, and where `--image` says they come from."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path, PurePosixPath

import pytest

from pillion.containers.images import ImageError, ImageStore, PullFailure, PullPolicy, parse_sources
from pillion.containers.images.hostimage import load_description
from pillion.errors import ManifestError
from pillion.plan.containerspec import ImageConfig, Mount
from pillion.statedir import StateDir

FULL = """\
from: host
mountPath: /srv/agent
workingDir: /srv/agent/src
entrypoint: ["${PYTHON}", -m, agent]
command: ["--model", "${FOLDER}/model"]
env:
  LOG_LEVEL: info
  SHELL_KEEPS: ${HOME}
user: 1000
stopSignal: SIGINT
"""


def ensure(tmp_path: Path, image: str, *options: str) -> ImageConfig:
    store = ImageStore(StateDir(PurePosixPath(tmp_path / "state")), parse_sources(options, folder=tmp_path))
    return asyncio.run(store.ensure(image, PullPolicy.IF_NOT_PRESENT)).config


def describe(tmp_path: Path, text: str) -> Path:
    (tmp_path / "agent").mkdir(exist_ok=True)
    path = tmp_path / "agent/pillion-image.yaml"
    path.write_text(text)
    return path


def test_a_described_folder_becomes_an_image(tmp_path: Path) -> None:
    describe(tmp_path, FULL)
    config = ensure(tmp_path, "registry.example/agent:v1", "registry.example/agent=./agent")
    assert config.reference == "registry.example/agent:v1"
    assert config.image_id == "host:registry.example/agent:v1"
    assert config.root_layers == ("/",)
    assert config.entrypoint == (sys.executable, "-m", "agent")
    assert config.cmd == ("--model", f"{tmp_path}/agent/model")
    assert dict(config.env)["LOG_LEVEL"] == "info"
    assert dict(config.env)["SHELL_KEEPS"] == "${HOME}"
    assert dict(config.env)["PATH"].startswith(f"{Path(sys.executable).parent}:/usr/local/sbin:")
    assert (config.user, config.stop_signal, config.working_dir) == ("1000", "SIGINT", "/srv/agent/src")
    mount = Mount(source=str(tmp_path / "agent"), destination="/srv/agent", read_only=True)
    assert config.mounts[-1] == mount
    assert config.substitutes is None


def test_a_folder_is_mounted_at_app_unless_told_otherwise(tmp_path: Path) -> None:
    describe(tmp_path, "from: host\n")
    config = ensure(tmp_path, "agent", "agent=agent/pillion-image.yaml")
    assert config.mounts[-1].destination == config.working_dir == "/app"


def test_the_host_as_it_is_runs_what_the_pod_says(tmp_path: Path) -> None:
    config = ensure(tmp_path, "myregistry.azurecr.io/agent:v1", "myregistry.azurecr.io/agent:v1=host")
    assert (config.root_layers, config.entrypoint, config.cmd, config.user) == (("/",), (), (), "")
    assert config.passwd[0].name == "root"


BAD = [
    ("", "1:1: expected a mapping"),
    ("- a\n", "1:1: expected a mapping"),
    ("folder: .\n", "1:1: `from: host` is missing"),
    ("from: alpine\n", "1:7: from: only `host` is supported"),
    ("from: host\nentrypont: [a]\n", "2:1: unknown key `entrypont`, did you mean `entrypoint`?"),
    ("from: host\nxyzzy: [a]\n", "2:1: unknown key `xyzzy`, known keys: from, folder"),
    ("from: host\ncommand: run it\n", '2:10: command: expected a list of strings: ["run it"]'),
    (
        "from: host\ncommand: [serve, 8000]\n",
        '2:18: command[1]: expected a string, write it in quotes: "8000"',
    ),
    ("from: host\nenv: {PORT: 8000}\n", '2:13: env.PORT: expected a string, write it in quotes: "8000"'),
    ("from: host\nenv: {A: x, A: y}\n", "2:13: env.A is given twice"),
    ("from: host\nenv: [A]\n", "2:6: env: expected a mapping"),
    ("from: host\nuser: a\nuser: b\n", "3:1: `user` is given twice"),
    ("from: host\nfolder: nowhere\n", "2:9: folder: "),
    ("from: host\nmountPath: app\n", "2:12: mountPath: expected an absolute path below /"),
    ("from: host\nmountPath: /\n", "2:12: mountPath: expected an absolute path below /"),
    ("from: host\nworkingDir: src\n", "2:13: workingDir: expected an absolute path"),
    ("from: host\nstopSignal: stop it\n", "2:13: stopSignal: `stop it` is not the name of a signal"),
    ("from: [host\n", "2:1: "),
]


@pytest.mark.parametrize(("text", "message"), BAD)
def test_a_wrong_description_says_where_and_what(text: str, message: str, tmp_path: Path) -> None:
    path = describe(tmp_path, text)
    with pytest.raises(ManifestError) as raised:
        load_description(path)
    assert str(raised.value).startswith(f"{path}:{message}")


def test_every_problem_of_a_description_is_told_at_once(tmp_path: Path) -> None:
    path = describe(tmp_path, "from: host\nuser: [a]\ncommand: 1\n")
    with pytest.raises(ManifestError) as raised:
        load_description(path)
    assert len(str(raised.value).splitlines()) == 2


def test_a_description_that_became_wrong_is_an_error_of_the_image(tmp_path: Path) -> None:
    path = describe(tmp_path, "from: host\nusr: x\n")
    with pytest.raises(ImageError, match="did you mean `user`") as raised:
        ensure(tmp_path, "agent", f"agent={path}")
    assert raised.value.reason is PullFailure.INSPECT


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("agent", "expected NAME=SOURCE"),
        ("=host", "expected NAME=SOURCE"),
        ("Agent=host", "must be lowercase"),
        ("agent=./nowhere", "there is no file or folder"),
        ("agent=app.tar", "there is no file or folder"),
        ("agent=.", "holds neither pillion-image.yaml nor an OCI layout"),
        ("agent=What Is This", "neither a file, a folder, `host` nor an image name"),
    ],
)
def test_a_wrong_image_option_says_what_is_expected(option: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=message) as raised:
        parse_sources([option], folder=tmp_path)
    assert f"--image {option}" in str(raised.value)
