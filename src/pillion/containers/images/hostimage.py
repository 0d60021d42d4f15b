"""Host images: the host's own filesystem as a container's root, and `pillion-image.yaml`, which describes one.

    from: host                  # the only base there is; required
    folder: .                   # bind-mounted read-only; relative to this file; default: this file's folder
    mountPath: /app             # where the container sees it; default /app
    workingDir: /app            # default: mountPath
    entrypoint: ["${PYTHON}", "-m", "agent"]     # ENTRYPOINT; `command:` in a Pod replaces it
    command: ["--port", "8000"]                  # CMD; `args:` in a Pod replaces it
    env: {LOG_LEVEL: info}      # PATH is provided: the running Python's folder, then the usual ones
    user: "1000:1000"           # a name or a number, with or without a group; default root
    stopSignal: SIGTERM

`${FOLDER}` (the folder's absolute path on the host) and `${PYTHON}` (the Python that runs pillion) are replaced in
entrypoint, command, env and workingDir; any other `${…}` is left for a shell. The container writes to a layer of its
own: the host's files stay as they are.
"""

from __future__ import annotations

import difflib
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import yaml

from pillion.containers.images.accounts import read_groups, read_passwd
from pillion.errors import ManifestError
from pillion.plan.containerspec import Addition, ImageConfig, Mount

if TYPE_CHECKING:
    from collections.abc import Callable

DESCRIPTION = "pillion-image.yaml"
ROOT = "/"
_DEFAULT_MOUNT_PATH = "/app"
_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_KEYS = (
    "from",
    "folder",
    "mountPath",
    "workingDir",
    "entrypoint",
    "command",
    "env",
    "user",
    "stopSignal",
)
_ENV_NAME = re.compile(r"[^=\x00]+")
_SIGNAL = re.compile(r"(SIG)?[A-Z][A-Z0-9+-]*|[0-9]{1,2}")
_SOFTWARE = ("/usr", "/opt", "/nix")
"""Folders that hold programs and may be filesystems of their own."""


class HostImage(msgspec.Struct, frozen=True, kw_only=True):
    """A host image: what to add to the host's filesystem. Placeholders are still in place."""

    folder: str | None = None
    """Absolute, on the host."""
    mount_path: str = _DEFAULT_MOUNT_PATH
    working_dir: str | None = None
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    user: str = ""
    stop_signal: str = "SIGTERM"
    mounts: tuple[Mount, ...] = ()
    additions: tuple[Addition, ...] = ()


def host_config(image: HostImage, *, reference: str, substitutes: str | None = None) -> ImageConfig:
    """The configuration of a container that runs `image`."""
    replace = _placeholders(image.folder)
    folder = (
        (Mount(source=image.folder, destination=image.mount_path, read_only=True),)
        if image.folder is not None
        else ()
    )
    working_dir = image.working_dir or (image.mount_path if image.folder is not None else "/")
    path = f"{Path(sys.executable).parent}:{_DEFAULT_PATH}"
    env = {"PATH": path, **{name: replace(value) for name, value in image.env}}
    return ImageConfig(
        reference=reference,
        image_id=f"host:{reference}",
        root_layers=(ROOT,),
        user=image.user,
        entrypoint=tuple(replace(word) for word in image.entrypoint),
        cmd=tuple(replace(word) for word in image.command),
        env=tuple(env.items()),
        working_dir=replace(working_dir),
        stop_signal=image.stop_signal,
        mounts=(*_software_mounts(), *image.mounts, *folder),
        additions=image.additions,
        passwd=read_passwd((ROOT,)),
        groups=read_groups((ROOT,)),
        substitutes=substitutes,
    )


def _placeholders(folder: str | None) -> Callable[[str], str]:
    def replace(text: str) -> str:
        text = text.replace("${PYTHON}", sys.executable)
        return text if folder is None else text.replace("${FOLDER}", folder)

    return replace


def _software_mounts() -> tuple[Mount, ...]:
    """Overlay shows one filesystem: programs that live on another one are bind-mounted, read-only."""
    root_device = Path(ROOT).stat().st_dev
    found: list[str] = []
    for folder in (*_SOFTWARE, sys.base_prefix, sys.prefix):
        path = Path(folder)
        if not path.is_dir() or path.is_symlink() or path.stat().st_dev == root_device:
            continue
        if not any(path.is_relative_to(above) for above in found):
            found.append(str(path))
    return tuple(Mount(source=path, destination=path, read_only=True) for path in found)


def load_description(path: Path) -> HostImage:
    """Read a `pillion-image.yaml`. Raises ManifestError with every problem, as `file:line:column: …`."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"cannot read {path}: {error}") from error
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise ManifestError(f"{path}{where}: {error.problem}") from error
    except yaml.YAMLError as error:
        raise ManifestError(f"{path}: {error}") from error
    return _Reader(path).read(node)


class _Reader:
    """Goes over the document once and collects problems."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._problems: list[tuple[int, int, str]] = []

    def read(self, node: yaml.Node | None) -> HostImage:
        if not isinstance(node, yaml.MappingNode):
            raise ManifestError(f"{self._path}:1:1: expected a mapping with the key `from: host`")
        fields = self._fields(node)
        base = fields.get("from")
        if base is None:
            self._say(node, "`from: host` is missing")
        elif self._text("from", base) != "host":
            self._say(base, "from: only `host` is supported")
        text = {
            key: self._text(key, fields[key])
            for key in ("folder", "mountPath", "workingDir", "stopSignal")
            if key in fields
        }
        image = HostImage(
            folder=self._folder(fields, text.get("folder", ".")),
            mount_path=text.get("mountPath", _DEFAULT_MOUNT_PATH),
            working_dir=text.get("workingDir"),
            entrypoint=self._words("entrypoint", fields.get("entrypoint")),
            command=self._words("command", fields.get("command")),
            env=self._env(fields.get("env")),
            user=self._user(fields.get("user")),
            stop_signal=text.get("stopSignal", "SIGTERM"),
        )
        self._check(image, fields)
        if self._problems:
            lines = (f"{self._path}:{line}:{column}: {what}" for line, column, what in sorted(self._problems))
            raise ManifestError("\n".join(lines))
        return image

    def _say(self, node: yaml.Node, what: str) -> None:
        self._problems.append((node.start_mark.line + 1, node.start_mark.column + 1, what))

    def _fields(self, node: yaml.MappingNode) -> dict[str, yaml.Node]:
        fields: dict[str, yaml.Node] = {}
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else ""
            if name not in _KEYS:
                near = difflib.get_close_matches(name, _KEYS, n=1)
                hint = f"did you mean `{near[0]}`?" if near else f"known keys: {', '.join(_KEYS)}"
                self._say(key, f"unknown key `{name}`, {hint}")
            elif name in fields:
                self._say(key, f"`{name}` is given twice")
            else:
                fields[name] = value
        return fields

    def _text(self, key: str, node: yaml.Node) -> str:
        if (
            isinstance(node, yaml.ScalarNode)
            and node.tag == "tag:yaml.org,2002:str"
            and "\0" not in node.value
        ):
            return str(node.value)
        quote = f', write it in quotes: "{node.value}"' if isinstance(node, yaml.ScalarNode) else ""
        self._say(node, f"{key}: expected a string{quote}")
        return ""

    def _words(self, key: str, node: yaml.Node | None) -> tuple[str, ...]:
        if node is None:
            return ()
        if not isinstance(node, yaml.SequenceNode):
            example = f': ["{node.value}"]' if isinstance(node, yaml.ScalarNode) else ""
            self._say(node, f"{key}: expected a list of strings{example}")
            return ()
        return tuple(self._text(f"{key}[{i}]", item) for i, item in enumerate(node.value))

    def _env(self, node: yaml.Node | None) -> tuple[tuple[str, str], ...]:
        if node is None:
            return ()
        if not isinstance(node, yaml.MappingNode):
            self._say(node, "env: expected a mapping of names to strings")
            return ()
        env: dict[str, str] = {}
        for key, value in node.value:
            name = self._text("env", key)
            if name and not _ENV_NAME.fullmatch(name):
                self._say(key, f"env: `{name}` cannot be the name of a variable")
            if name in env:
                self._say(key, f"env.{name} is given twice")
            env[name] = self._text(f"env.{name}", value)
        return tuple(env.items())

    def _user(self, node: yaml.Node | None) -> str:
        """A bare number is what everybody means by it."""
        if isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:int" and node.value.isdigit():
            return str(node.value)
        return "" if node is None else self._text("user", node)

    def _folder(self, fields: dict[str, yaml.Node], text: str) -> str:
        folder = self._path.parent.resolve() / text
        if not folder.is_dir() and "folder" in fields:
            self._say(fields["folder"], f"folder: {folder} is not a folder")
        return os.path.normpath(folder)

    def _check(self, image: HostImage, fields: dict[str, yaml.Node]) -> None:
        if not image.mount_path.startswith("/") or os.path.normpath(image.mount_path) == "/":
            self._say(fields["mountPath"], "mountPath: expected an absolute path below /")
        working_dir = image.working_dir
        if working_dir is not None and not working_dir.startswith(("/", "${FOLDER}")):
            self._say(fields["workingDir"], "workingDir: expected an absolute path")
        if not _SIGNAL.fullmatch(image.stop_signal):
            self._say(fields["stopSignal"], f"stopSignal: `{image.stop_signal}` is not the name of a signal")
