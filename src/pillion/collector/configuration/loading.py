"""From the path of a configuration to the value that a collector is built from.

The order is Fluent Bit's (src/flb_config.c, `flb_config_load_config_format`): variables, service with its parsers
files, parsers, inputs, filters, outputs; what the command line says stands before the file.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any, Protocol, TypeVar, get_args

import msgspec

from pillion.collector.configuration.addresses import spread_address
from pillion.collector.configuration.configured import Configuration, Difference, PluginKind, PluginSection
from pillion.collector.configuration.conversion import convert, place_of
from pillion.collector.configuration.definitions import Definitions
from pillion.collector.configuration.differences import differences_of
from pillion.collector.configuration.document import PROCESSORS, Document, Files, Section, SectionKind
from pillion.collector.configuration.failure import Complaints, Fault, Place, nearest
from pillion.collector.configuration.foreign import ADVICE, FOREIGN
from pillion.collector.configuration.reading import is_yaml, read_file
from pillion.collector.configuration.references import without_unknown_parsers
from pillion.collector.configuration.routing import SENDERS_CHOOSE_TAG, warn_of_dead_ends
from pillion.collector.configuration.service import LogLevel, ServiceSettings
from pillion.collector.configuration.settings import Settings
from pillion.collector.configuration.standard import STANDARD_PARSERS, is_standard
from pillion.collector.configuration.variables import Variables, define, expand_all

LOG_LEVEL_VARIABLE = "FLB_LOG_LEVEL"
COMMAND_LINE = Place("command line")
_LOG_LEVELS = get_args(LogLevel)
_REFUSED_SECTIONS = {
    SectionKind.CUSTOM: "custom plugins are not supported",
    SectionKind.PLUGINS: "shared libraries cannot be loaded; the python filter takes a function of yours",
    SectionKind.STREAM_PROCESSOR: "there is no stream processor",
    SectionKind.UPSTREAM_SERVERS: "upstream servers are not supported: give the output host and port",
}
_PARSERS_FILE = "parsers_file"


class Plugins(Protocol):
    """Which plugins there are."""

    def names(self, kind: PluginKind) -> Collection[str]: ...

    def settings(self, kind: PluginKind, name: str) -> type[Settings]:
        """Of a plugin that `names` has."""


def load(
    path: str,
    files: Files,
    environment: Mapping[str, str],
    *,
    plugins: Plugins,
    lenient: bool = False,
    command_line: Document | None = None,
) -> Configuration:
    """Read a configuration; an empty path leaves all to the command line.

    `lenient` passes over unknown keys and plugins, and values that make no sense, with warnings. Raises
    ConfigurationError with all that is wrong.
    """
    loading = _Loading(path, files, environment, plugins, Complaints(lenient=lenient))
    return loading.load(command_line or Document())


SectionsT = TypeVar("SectionsT", bound=Settings)


class _Loading:
    def __init__(
        self,
        path: str,
        files: Files,
        environment: Mapping[str, str],
        plugins: Plugins,
        complaints: Complaints,
    ) -> None:
        self._path = path
        self._folder = str(PurePosixPath(path).parent) if path else "."
        self._files = files
        self._environment = environment
        self._plugins = plugins
        self._complaints = complaints
        self._differences: list[Difference] = []
        self._variables = Variables({}, environment)
        self._processors: list[Any] = []

    def load(self, command_line: Document) -> Configuration:
        complaints = self._complaints
        document = Document()
        if self._path:
            document = read_file(self._path, self._files, complaints, asked_at=COMMAND_LINE)
        sections = command_line.sections + document.sections
        self._variables = Variables(define(document.variables, self._files, complaints), self._environment)
        service, service_section = self._service(sections)
        definitions = Definitions(self._variables, complaints)
        self._read_parsers_files(service_section, definitions)
        definitions.add(self._own_parsers(sections))
        self._refuse(sections)
        inputs: list[Any] = self._plugin_sections(sections, PluginKind.INPUT, service)
        filters: list[Any] = self._processors + self._with_match(
            self._plugin_sections(sections, PluginKind.FILTER, service)
        )
        outputs: list[Any] = self._plugin_sections(sections, PluginKind.OUTPUT, service)
        if len(inputs) == 1 and len(outputs) == 1 and not _matches(outputs[0]):
            outputs = [_with(outputs[0], match="*")]
        outputs = self._with_match(outputs)
        self._need(inputs, outputs)
        known = {*definitions.parsers}, {*definitions.multiline_parsers}
        inputs = [without_unknown_parsers(section, known, complaints) for section in inputs]
        filters = [without_unknown_parsers(section, known, complaints) for section in filters]
        warn_of_dead_ends(inputs, filters, outputs, complaints)
        complaints.raise_faults()
        return Configuration(
            file=self._path,
            folder=self._folder,
            service=service,
            inputs=tuple(inputs),
            filters=tuple(filters),
            outputs=tuple(outputs),
            parsers=tuple(definitions.parsers.values()),
            multiline_parsers=tuple(definitions.multiline_parsers.values()),
            warnings=tuple(dict.fromkeys(map(str, complaints.warnings))),
            differences=tuple(self._differences),
        )

    def _need(self, inputs: list[Any], outputs: list[Any]) -> None:
        """Both, unless something that is wrong is why there is none."""
        if self._complaints.faults:
            return
        for kind, found in ((PluginKind.INPUT, inputs), (PluginKind.OUTPUT, outputs)):
            if not found:
                text = f"there is no [{kind.value.upper()}]: nothing to do"
                self._complaints.fault(Fault(place=self._place, text=text))

    @property
    def _place(self) -> Place:
        return Place(self._path) if self._path else COMMAND_LINE

    # ── service ──────────────────────────────────────────────────────────────────────────────────────────────────────
    def _service(self, sections: Iterable[Section]) -> tuple[ServiceSettings, Section]:
        """There is one: what stands in several sections is put together, and the last word counts."""
        parts = [section for section in sections if section.kind is SectionKind.SERVICE]
        merged = Section(
            kind=SectionKind.SERVICE,
            properties=tuple(prop for part in parts for prop in part.properties),
            groups=tuple(group for part in parts for group in part.groups),
            place=parts[-1].place if parts else self._place,
        )
        service = convert(merged, ServiceSettings, self._variables, self._complaints, takes_last=True)
        if service is None:
            service = ServiceSettings(place=str(merged.place))
        self._differences += differences_of(service, merged, merged.title)
        level = self._variables.expand(f"${{{LOG_LEVEL_VARIABLE}}}").text.lower()
        if level in _LOG_LEVELS:
            service = msgspec.structs.replace(service, log_level=level)
        return service, merged

    def _read_parsers_files(self, service: Section, definitions: Definitions) -> None:
        about = f"{service.title}: {_PARSERS_FILE}"
        for prop in service.properties:
            if prop.key != _PARSERS_FILE:
                continue
            for named in expand_all(
                prop.values, self._variables, prop.place, about, Complaints(lenient=True)
            ):
                self._read_parsers_file(named, prop.place, about, definitions)

    def _read_parsers_file(self, named: str, place: Place, about: str, definitions: Definitions) -> None:
        """In the working folder, else beside the configuration (`flb_parser_conf_file`)."""
        path = named if self._files.exists(named) else str(PurePosixPath(self._folder) / named)
        if self._files.exists(path):
            document = read_file(path, self._files, self._complaints, asked_at=place)
            definitions.add(document.sections)
            for section in document.sections:
                if section.kind not in (SectionKind.PARSER, SectionKind.MULTILINE_PARSER):
                    text = "passed over: this file is read for its parsers only"
                    self._complaints.warn(Fault(place=section.place, about=section.title, text=text))
        elif is_standard(named, self._folder):
            definitions.add_parsers(STANDARD_PARSERS)
            self._differences.append(
                Difference(
                    place=place,
                    subject=about,
                    ours=f"{named} does not exist: the parsers of Fluent Bit's image, built in",
                    fluent_bit="no parsers, if a volume hides those of the image",
                    why="a ConfigMap that is mounted at /fluent-bit/etc should not take the parsers away",
                )
            )
        else:
            text = f"{named} does not exist, neither here nor in {self._folder}"
            self._complaints.fault(Fault(place=place, about=about, text=text))

    def _own_parsers(self, sections: Iterable[Section]) -> list[Section]:
        """Of the main file: YAML may have them, the classic format may not."""
        own = []
        for section in sections:
            if section.kind not in (SectionKind.PARSER, SectionKind.MULTILINE_PARSER):
                continue
            own.append(section)
            if not is_yaml(section.place.file):
                text = "belongs into a file of its own that [SERVICE] Parsers_File names; Fluent Bit refuses it here"
                self._complaints.fault(Fault(place=section.place, about=section.title, text=text))
        return own

    def _refuse(self, sections: Iterable[Section]) -> None:
        for section in sections:
            if section.kind in _REFUSED_SECTIONS:
                text = _REFUSED_SECTIONS[section.kind]
                self._complaints.fault(Fault(place=section.place, about=section.title, text=text))

    # ── plugins ──────────────────────────────────────────────────────────────────────────────────────────────────────
    def _plugin_sections(
        self, sections: Iterable[Section], kind: PluginKind, service: ServiceSettings
    ) -> list[PluginSection[Any]]:
        """All that make sense. They are numbered per kind, whatever the plugin: `tail.0`, `dummy.1`."""
        found = []
        of_kind = (section for section in sections if section.kind.value == kind.value)
        for number, written in enumerate(of_kind):
            section = spread_address(written)
            plugin = self._plugin(section, kind)
            if plugin is None:
                continue
            title = f"{section.title} {plugin}"
            settings: Any = convert(
                section, self._plugins.settings(kind, plugin), self._variables, self._complaints, title=title
            )
            if settings is None:
                continue
            self._check_log_level(settings, section, title)
            self._differences += differences_of(settings, section, title)
            name = f"{plugin}.{number}"
            if kind is PluginKind.INPUT:
                settings = _completed(
                    settings, section, name if plugin not in SENDERS_CHOOSE_TAG else "", service
                )
            found.append(
                PluginSection(
                    kind=kind,
                    plugin=plugin,
                    name=settings.alias or name,
                    settings=settings,
                    place=section.place,
                )
            )
            if kind is PluginKind.INPUT:
                self._processors += self._processors_of(section, found[-1].name)
        return found

    def _processors_of(self, section: Section, name: str) -> list[PluginSection[Any]]:
        """Filters that an input has of its own (src/flb_processor.c): they need no match."""
        found: list[PluginSection[Any]] = []
        for group in section.groups:
            if group.name != PROCESSORS:
                continue
            unit = Section(kind=SectionKind.FILTER, properties=group.properties, place=group.place)
            plugin = self._plugin(unit, PluginKind.FILTER)
            if plugin is None:
                continue
            title = f"{section.title} {PROCESSORS}: {plugin}"
            settings: Any = convert(
                unit,
                self._plugins.settings(PluginKind.FILTER, plugin),
                self._variables,
                self._complaints,
                title=title,
            )
            if settings is None:
                continue
            self._check_log_level(settings, unit, title)
            self._differences += differences_of(settings, unit, title)
            found.append(
                PluginSection(
                    kind=PluginKind.FILTER,
                    plugin=plugin,
                    name=settings.alias or f"{name}.{plugin}.{len(found)}",
                    settings=msgspec.structs.replace(settings, match="*"),
                    place=group.place,
                    input=name,
                )
            )
        return found

    def _plugin(self, section: Section, kind: PluginKind) -> str | None:
        """The plugin's name, if it is one of ours."""
        place = place_of(section, "name")
        names = expand_all(section.values("name"), self._variables, place, section.title, self._complaints)
        if not names:
            self._complaints.fault(Fault(place=place, about=section.title, text="name is missing"))
            return None
        name = names[0].lower()
        known = self._plugins.names(kind)
        if name in known:
            return name
        if name in FOREIGN[kind]:
            text = f"Fluent Bit's {kind.value} {name} is not supported"
            advice = ADVICE.get((kind, name))
            text += f": {advice}" if advice else f"; there are {', '.join(sorted(known))}"
        else:
            near = nearest(name, known) or f"; there are {', '.join(sorted(known))}"
            text = f"there is no {kind.value} {names[0]!r}{near}"
        self._complaints.fault(Fault(place=place, about=section.title, text=text))
        return None

    def _check_log_level(self, settings: Settings, section: Section, title: str) -> None:
        if settings.log_level and settings.log_level.lower() not in _LOG_LEVELS:
            text = f"must be one of {', '.join(_LOG_LEVELS)}"
            place = place_of(section, "log_level")
            self._complaints.fault(Fault(place=place, about=f"{title}: log_level", text=text))

    def _with_match(self, sections: list[PluginSection[Any]]) -> list[PluginSection[Any]]:
        """Those that match something; Fluent Bit unloads the others with a warning too."""
        for section in sections:
            if not _matches(section):
                about = f"[{section.kind.value.upper()}] {section.plugin}"
                text = "left out: it has no match, so no record would reach it"
                self._complaints.warn(Fault(place=section.place, about=about, text=text))
        return [section for section in sections if _matches(section)]


def _completed(settings: Any, section: Section, tag: str, service: ServiceSettings) -> Any:
    """An input's settings with the tag that it has without one, and the storage that it inherits."""
    changes: dict[str, object] = {} if settings.tag else {"tag": tag}
    if service.storage_inherit and service.storage_type and not section.values("storage.type"):
        changes["storage_type"] = service.storage_type
    return msgspec.structs.replace(settings, **changes)


def _matches(section: PluginSection[Any]) -> bool:
    return bool(section.settings.match or section.settings.match_regex)


def _with(section: PluginSection[Any], **changes: object) -> PluginSection[Any]:
    return msgspec.structs.replace(section, settings=msgspec.structs.replace(section.settings, **changes))
