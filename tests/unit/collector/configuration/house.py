"""A configuration's surroundings: files in memory, and plugins with a key of every kind."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Mapping
from pathlib import PurePosixPath
from typing import Annotated, ClassVar, Literal

from pillion.collector.configuration import Configuration, PluginKind, load
from pillion.collector.configuration.settings import (
    Differs,
    Entry,
    FilterSettings,
    InputSettings,
    Kind,
    NetSettings,
    OutputSettings,
    Settings,
    TlsSettings,
    key,
)

MAIN = "/etc/fb/fluent-bit.conf"
YAML = "/etc/fb/fluent-bit.yaml"


class MemoryFiles:
    def __init__(self, texts: Mapping[str, str | bytes]) -> None:
        self._texts = texts

    def load(self, path: str) -> bytes:
        if path not in self._texts:
            raise FileNotFoundError(2, "No such file or directory", path)
        text = self._texts[path]
        return text if isinstance(text, bytes) else text.encode()

    def exists(self, path: str) -> bool:
        return path in self._texts

    def identity(self, path: str) -> str:
        return posixpath.normpath(path)

    def matching(self, pattern: str) -> list[str]:
        return sorted(path for path in self._texts if PurePosixPath(path).match(pattern))


class TailSettings(InputSettings, frozen=True, kw_only=True):
    without_effect: ClassVar[Mapping[str, str]] = {"threaded": "there is one thread"}
    refused: ClassVar[Mapping[str, str]] = {"docker_mode": "use multiline.parser docker"}
    behaves: ClassVar[Mapping[str, tuple[str, Differs]]] = {
        "rotation": ("to the end", Differs(fluent_bit="five seconds", why="bytes may be left")),
    }

    path: Annotated[tuple[str, ...], key(kind=Kind.LIST, help="the files")]
    parser: Annotated[str, key()] = ""
    multiline_parser: Annotated[
        tuple[str, ...], key(name="multiline.parser", kind=Kind.LIST, repeated=True)
    ] = ()
    read_from_head: Annotated[bool, key()] = False
    refresh_interval: Annotated[float, key(kind=Kind.SECONDS)] = 60.0
    buffer_max_size: Annotated[
        int, key(kind=Kind.SIZE, differs=Differs(fluent_bit="32k", why="prompts are long"))
    ] = 1_000_000
    ignore_older: Annotated[float | None, key(kind=Kind.SECONDS)] = None


class ForwardSettings(InputSettings, frozen=True, kw_only=True):
    port: Annotated[int, key()] = 24224


class ModifySettings(FilterSettings, frozen=True, kw_only=True):
    operations: Annotated[
        tuple[Entry, ...], key(kind=Kind.ENTRIES, keys=("Set", "Rename", "Remove"), words=2)
    ] = ()
    condition: Annotated[tuple[tuple[str, ...], ...], key(kind=Kind.WORDS, words=3, repeated=True)] = ()


class RewriteTagSettings(FilterSettings, frozen=True, kw_only=True):
    rule: Annotated[tuple[str, ...], key(repeated=True)]


class StdoutSettings(OutputSettings, frozen=True, kw_only=True):
    format: Annotated[Literal["msgpack", "json_lines"], key()] = "msgpack"
    ratio: Annotated[float, key(aliases=("Share",))] = 0.5

    def __post_init__(self) -> None:
        if self.ratio > 1:
            raise ValueError("ratio: must be at most 1")


class HttpSettings(OutputSettings, frozen=True, kw_only=True):
    host: Annotated[str, key()] = "127.0.0.1"
    net: NetSettings = NetSettings()
    tls: TlsSettings = TlsSettings(verify=False)


_PLUGINS: dict[PluginKind, dict[str, type[Settings]]] = {
    PluginKind.INPUT: {"tail": TailSettings, "forward": ForwardSettings},
    PluginKind.FILTER: {"modify": ModifySettings, "rewrite_tag": RewriteTagSettings},
    PluginKind.OUTPUT: {"stdout": StdoutSettings, "http": HttpSettings},
}


class Plugins:
    def names(self, kind: PluginKind) -> Collection[str]:
        return _PLUGINS[kind].keys()

    def settings(self, kind: PluginKind, name: str) -> type[Settings]:
        return _PLUGINS[kind][name]


def read(
    text: str | bytes,
    *,
    path: str = MAIN,
    others: Mapping[str, str | bytes] | None = None,
    environment: Mapping[str, str] | None = None,
    lenient: bool = False,
) -> Configuration:
    """`text` as the main file."""
    files = MemoryFiles({path: text, **(others or {})})
    return load(path, files, environment or {}, plugins=Plugins(), lenient=lenient)
