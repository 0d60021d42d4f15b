"""One filter, built from configuration text, and its surroundings.

lab = Lab("grep", "Regex level ERROR")
lab.bodies({"level": "ERROR"}, {"level": "INFO"}) == [{"level": "ERROR"}]
"""

from __future__ import annotations

import copy
import functools
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from pillion.collector.catalogue import Catalogue, filter_plugin
from pillion.collector.configuration import Configuration, ConfigurationError, PluginSection, load
from pillion.collector.configuration.settings import FilterSettings
from pillion.collector.multiline import Multiline, build, builtin
from pillion.collector.parsers import Parser, build_parser
from pillion.collector.plugin import Filter, Filtered
from pillion.collector.records import Body, Content, Lines, Records, Texts, as_records
from pillion.collector.status import FilterStatus, Notices
from pillion.units import Instant

TAG = "app.web.log"
TIME = 1_700_000_000 * 10**9
"""Of every record, in ns; and the time it is."""
_MAIN = "/etc/fb/fluent-bit.conf"
_PARSERS = "/etc/fb/own-parsers.conf"


class Files:
    def __init__(self, **texts: str) -> None:
        self._texts = {_MAIN: texts["main"], _PARSERS: texts["parsers"]}

    def load(self, path: str) -> bytes:
        if path not in self._texts:
            raise FileNotFoundError(2, "No such file or directory", path)
        return self._texts[path].encode()

    def exists(self, path: str) -> bool:
        return path in self._texts

    def identity(self, path: str) -> str:
        return path

    def matching(self, _: str) -> list[str]:
        return []


class StandingClock:
    def now(self) -> Instant:
        return Instant(TIME / 10**9)


class Surroundings:
    def __init__(self, configuration: Configuration, folder: Path, environment: Mapping[str, str]) -> None:
        self.name = "filter.0"
        self.clock = StandingClock()
        self.log = logging.getLogger("tests.filter")
        self.environment = environment
        self.folder = folder
        self.notices = Notices(self.log)
        self.status = FilterStatus(name="filter.0", plugin="filter")
        self._configuration = configuration

    def dropped(self, records: int) -> None:
        self.status.dropped += records

    def parser(self, name: str) -> Parser:
        found = {each.name: each for each in self._configuration.parsers}
        if name not in found:
            raise ConfigurationError(f"there is no parser {name!r}")
        return build_parser(found[name])

    def multiline_parser(self, name: str) -> Multiline:
        for each in self._configuration.multiline_parsers:
            if each.name == name:
                return build(each, self.parser)
        found = builtin(name)
        assert found is not None
        return found


def configured(
    plugin: str, keys: str, parsers: str = "", environment: Mapping[str, str] | None = None
) -> Configuration:
    """`keys`: one per line, as in a `[FILTER]` section; `parsers`: a parsers file."""
    lines = [f"    {line.strip()}" for line in keys.strip().splitlines()]
    head = ["[INPUT]", "    Name dummy", "[OUTPUT]", "    Name null", "    Match *"]
    service = ["[SERVICE]", f"    Parsers_File {_PARSERS}"] if parsers else []
    text = "\n".join([*head, "[FILTER]", f"    Name {plugin}", "    Match *", *lines, *service, ""])
    return _loaded(text, parsers, tuple((environment or {}).items()))


@functools.lru_cache(maxsize=64)
def _loaded(text: str, parsers: str, environment: tuple[tuple[str, str], ...]) -> Configuration:
    return load(_MAIN, Files(main=text, parsers=parsers), dict(environment), plugins=Catalogue())


class Lab:
    def __init__(
        self,
        plugin: str,
        keys: str = "",
        *,
        parsers: str = "",
        folder: Path = Path("/nowhere"),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Raises ConfigurationError."""
        self.configuration = configured(plugin, keys, parsers, environment)
        self.section: PluginSection[FilterSettings] = self.configuration.filters[0]
        self.context = Surroundings(self.configuration, folder, environment or {})
        self.filter: Filter = filter_plugin(plugin).build(self.section.settings, self.context)

    @property
    def status(self) -> FilterStatus:
        return self.context.status

    def put(self, content: Content, *, tag: str = TAG, now: int = TIME) -> Filtered:
        return self.filter.filter(tag, content, now)

    def bodies(self, *bodies: Body, tag: str = TAG, now: int = TIME) -> list[Body]:
        """What goes on under the same tag; held to be the same for decoded records and for their text."""
        decoded = self.put(decoded_records(*bodies), tag=tag, now=now)
        text = self.put(text_records(*bodies), tag=tag, now=now)
        assert bodies_of(text.content) == bodies_of(decoded.content)
        assert [(to, bodies_of(content)) for to, content in text.emitted] == [
            (to, bodies_of(content)) for to, content in decoded.emitted
        ]
        return bodies_of(decoded.content)

    def body(self, body: Body, *, tag: str = TAG) -> Body:
        """Of one record that becomes one."""
        (found,) = self.bodies(body, tag=tag)
        return found

    def emitted(self, *bodies: Body, tag: str = TAG) -> list[tuple[str, list[Body]]]:
        filtered = self.put(decoded_records(*bodies), tag=tag)
        return [(to, bodies_of(content)) for to, content in filtered.emitted]

    def lines(self, *lines: str, tag: str = TAG, now: int = TIME) -> list[Body]:
        return bodies_of(self.put(plain_lines(*lines), tag=tag, now=now).content)


def decoded_records(*bodies: Body) -> Records:
    return Records(times=[TIME] * len(bodies), bodies=copy.deepcopy(list(bodies)))


def text_records(*bodies: Body) -> Texts:
    return Texts(data=b"".join([orjson.dumps(body) + b"\n" for body in bodies]), times=TIME)


def plain_lines(*lines: str, key: str = "log") -> Lines:
    return Lines(data="".join(f"{line}\n" for line in lines).encode(), time=TIME, key=key)


def bodies_of(content: Content | None) -> list[Any]:
    return [] if content is None else as_records(content).bodies


def facts_of(filtered: Filtered) -> tuple[Any, ...]:
    """All that came out, whatever its form."""

    def of(content: Content | None) -> list[tuple[int, Body]]:
        if content is None:
            return []
        records = as_records(content)
        return list(zip(records.times, records.bodies, strict=True))

    return of(filtered.content), [(tag, of(content)) for tag, content in filtered.emitted]
