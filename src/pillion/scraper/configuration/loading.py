"""From a file's text to a Configuration, or to everything that is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, Protocol, TypeVar

import msgspec

from pillion.scraper.configuration.configured import Configuration, Document, ScrapeConfigFile
from pillion.scraper.configuration.decoding import Decoder
from pillion.scraper.configuration.expansion import expand_variables
from pillion.scraper.configuration.failure import Complaints, Place
from pillion.scraper.configuration.globalconfig import GlobalConfig
from pillion.scraper.configuration.ineffective import WHY
from pillion.scraper.configuration.protocols import PROTOBUF
from pillion.scraper.configuration.schema import FilePath, Section, fields_of
from pillion.scraper.configuration.scrapeconfig import ScrapeConfig, with_scheme
from pillion.scraper.configuration.writeconfig import RemoteWriteConfig
from pillion.scraper.configuration.yamlnodes import Mapping as MappingNode
from pillion.scraper.configuration.yamlnodes import Node, Scalar, YamlError, compose
from pillion.scraper.labels import RelabelConfig, ValidationScheme
from pillion.scraper.labels.relabel import problems as rule_problems
from pillion.units import quote

S = TypeVar("S", bound=msgspec.Struct)

_FILE_PATTERN = re.compile(r"[^*]*(\*[^/]*)?")
_NOT_IN_AGENT_MODE = ("alerting", "rule_files", "remote_read")
_MAIN_FILE = "main config file"


class Files(Protocol):
    """The machine's files, for `scrape_config_files`."""

    def load(self, path: str) -> bytes:
        """Raises OSError."""

    def matching(self, pattern: str) -> list[str]:
        """Sorted; a pattern without `*` is the name of a file that exists, or of none."""


class _NoFiles:
    def load(self, path: str) -> bytes:
        raise FileNotFoundError(path)

    def matching(self, pattern: str) -> list[str]:  # noqa: ARG002
        return []


def load(
    text: str,
    file: str,
    environment: Mapping[str, str],
    *,
    files: Files | None = None,
    agent_mode: bool = False,
) -> Configuration:
    """What `text`, read from `file`, says.

    Relative paths in it begin at the file's folder. In agent mode a few sections are errors, as in Prometheus. Raises
    ConfigurationError with all that is wrong.
    """
    loading = _Loading(file, environment, files or _NoFiles(), agent_mode=agent_mode)
    return loading.load(text)


class _Loading:
    def __init__(self, file: str, environment: Mapping[str, str], files: Files, *, agent_mode: bool) -> None:
        self._file = file
        self._environment = environment
        self._files = files
        self._agent_mode = agent_mode
        self._complaints = Complaints()
        self._jobs: dict[str, str] = {}
        """The file in which each job name was found first."""

    def load(self, text: str) -> Configuration:
        decoder = Decoder(self._file, self._complaints)
        root = self._compose(text, self._file)
        document = self._document(decoder, root)
        self._complain_about_ineffective(root)
        common = document.global_config
        if not common.scrape_interval:
            common = common.completed()  # not written, or wrong
        common = self._with_variables(common, decoder.place_of(document.global_config, "external_labels"))
        self._check_patterns(document, decoder)
        scrapes = [self._scrape(scrape, common, decoder, _MAIN_FILE) for scrape in document.scrape_configs]
        for pattern in document.scrape_config_files:
            scrapes += self._scrapes_of_files(pattern, common)
        writes = self._writes(document, common, decoder)
        self._complaints.raise_faults(self._file)
        return Configuration(
            file=self._file,
            global_config=_below(common, self._file),
            scrape_configs=tuple(scrapes),
            remote_write=tuple(_below(write, self._file) for write in writes),
            scrape_config_files=document.scrape_config_files,
            warnings=tuple(dict.fromkeys(map(str, self._complaints.warnings))),
        )

    def _compose(self, text: str, file: str) -> Node | None:
        try:
            return compose(text)
        except YamlError as error:
            self._complaints.fault(Place(file, error.line), str(error))
            return None

    def _document(self, decoder: Decoder, root: Node | None) -> Document:
        if root is None or (isinstance(root, Scalar) and root.value is None):
            return Document()
        return decoder.section(Document, root) or Document()

    # ── scrapes ──────────────────────────────────────────────────────────────────────────────────────────────────────
    def _scrape(
        self, scrape: ScrapeConfig, common: GlobalConfig, decoder: Decoder, where: str
    ) -> ScrapeConfig:
        if decoder.is_sound(scrape):
            for key, text in scrape.problems_within(common):
                self._complaints.fault(decoder.place_of(scrape, key), text)
        if scrape.scrape_protocols is not None and PROTOBUF in scrape.scrape_protocols:
            text = f"{PROTOBUF} is not read here: it is left out of what targets are asked for"
            self._complaints.warn(decoder.place_of(scrape, "scrape_protocols"), text)
        self._claim_job(scrape.job_name, decoder.place_of(scrape, "job_name"), where)
        if (scrape.metric_name_validation_scheme or "utf8") not in list(ValidationScheme):
            return scrape
        inherited = scrape.inherited(common)
        for rule in (*scrape.relabel_configs, *scrape.metric_relabel_configs):
            self._check_rule(rule, inherited.validation_scheme, decoder)
        groups = tuple(
            msgspec.structs.replace(group, source=str(number))
            for number, group in enumerate(inherited.static_configs)
        )
        return _below(msgspec.structs.replace(inherited, static_configs=groups), decoder.file)

    def _claim_job(self, job: str, place: Place, where: str) -> None:
        if job in self._jobs:
            text = f"found multiple scrape configs with job name {quote(job)}"
            first = f", first found in {self._jobs[job]}" if where != _MAIN_FILE else ""
            self._complaints.fault(place, text + first)
        elif job:
            self._jobs[job] = where

    def _check_rule(self, rule: RelabelConfig, scheme: ValidationScheme, decoder: Decoder) -> None:
        if not decoder.is_sound(rule):
            return
        for key, text in rule_problems(msgspec.structs.replace(rule, validation_scheme=scheme)):
            self._complaints.fault(decoder.place_of(rule, key), text)

    def _scrapes_of_files(self, pattern: str, common: GlobalConfig) -> Iterator[ScrapeConfig]:
        for name in self._files.matching(str(PurePosixPath(self._file).parent / pattern)):
            try:
                text = self._files.load(name).decode()
            except OSError as error:
                self._complaints.fault(Place(name), f"cannot read it: {error.strerror}")
                continue
            except UnicodeDecodeError:
                self._complaints.fault(Place(name), "yaml: invalid leading UTF-8 octet")
                continue
            root = self._compose(text, name)
            if root is None:
                continue
            decoder = Decoder(name, self._complaints)
            found = decoder.section(ScrapeConfigFile, root)
            for scrape in found.scrape_configs if found is not None else ():
                yield self._scrape(scrape, common, decoder, quote(name))

    # ── the rest ─────────────────────────────────────────────────────────────────────────────────────────────────────
    def _writes(
        self, document: Document, common: GlobalConfig, decoder: Decoder
    ) -> tuple[RemoteWriteConfig, ...]:
        names: set[str] = set()
        writes = []
        for write in document.remote_write:
            if write.name and write.name in names:
                text = f"found multiple remote write configs with job name {quote(write.name)}"
                self._complaints.fault(decoder.place_of(write, "name"), text)
            names.add(write.name)
            for rule in write.write_relabel_configs:
                self._check_rule(rule, common.scheme, decoder)
            writes.append(
                msgspec.structs.replace(
                    write, write_relabel_configs=with_scheme(write.write_relabel_configs, common.scheme)
                )
            )
        return tuple(writes)

    def _with_variables(self, common: GlobalConfig, place: Place) -> GlobalConfig:
        """`${NAME}` in external labels (config/config.go, Load)."""
        missing: list[str] = []
        labels = {
            name: expand_variables(value, self._environment, missing)
            for name, value in common.external_labels.items()
        }
        for name in dict.fromkeys(missing):
            self._complaints.warn(place, f"Empty environment variable {name}", about="external_labels")
        return msgspec.structs.replace(common, external_labels=dict(sorted(labels.items())))

    def _check_patterns(self, document: Document, decoder: Decoder) -> None:
        for key, what, patterns in (
            ("rule_files", "rule", document.rule_files),
            ("scrape_config_files", "scrape config", document.scrape_config_files),
        ):
            for pattern in patterns:
                if _FILE_PATTERN.fullmatch(pattern) is None:
                    text = f"invalid {what} file path {quote(pattern)}"
                    self._complaints.fault(decoder.place_of(document, key), text)

    def _complain_about_ineffective(self, root: Node | None) -> None:
        if not isinstance(root, MappingNode):
            return
        for key, value in root.pairs:
            if not isinstance(key, Scalar) or key.text not in WHY or _is_empty(value):
                continue
            place = Place(self._file, key.line)
            if self._agent_mode and key.text in _NOT_IN_AGENT_MODE:
                self._complaints.fault(place, f"field {key.text} is not allowed in agent mode")
            else:
                self._complaints.warn(place, f"has no effect: {WHY[key.text]}", about=key.text)


def _below(section: S, file: str) -> S:
    """With its relative paths put below the folder of the file that they stand in."""
    located: S = _located(section, PurePosixPath(file).parent)
    return located


def _located(value: Any, folder: PurePosixPath) -> Any:
    if isinstance(value, tuple):
        return tuple(_located(item, folder) for item in value)
    if isinstance(value, dict):
        return {key: _located(item, folder) for key, item in value.items()}
    if not isinstance(value, Section):
        return value
    changes = {}
    for field in fields_of(type(value)):
        old = getattr(value, field.name)
        if field.type is FilePath:
            changes[field.name] = FilePath(str(folder / old)) if old else old
        elif field.type == tuple[FilePath, ...]:
            changes[field.name] = tuple(FilePath(str(folder / path)) for path in old)
        elif (new := _located(old, folder)) is not old:
            changes[field.name] = new
    return msgspec.structs.replace(value, **changes) if changes else value


def _is_empty(node: Node) -> bool:
    if isinstance(node, Scalar):
        return node.value is None
    return not (node.pairs if isinstance(node, MappingNode) else node.items)
