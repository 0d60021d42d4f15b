"""`pillion collect`: the log collector, with Fluent Bit's configuration and its command line."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pillion.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pillion.collector.configuration import Configuration
    from pillion.collector.configuration.document import Document, Section

EXIT_FAULTY = 1
"""Of `--check` and `--dry-run`: the configuration cannot be used."""
_AS_JSON = "json"
"""With `--check`, `-o json` names no output."""
_REFUSED = {
    "plugin": "-e: plugins in shared libraries cannot be loaded; the python filter takes a function of yours",
    "custom": "-C: custom plugins are not supported",
    "sp_task": "-T: there is no stream processor",
    "daemon": "-d: it stays in the foreground, as a container's main process has to",
    "sosreport": "-S: there is no report for support; --check shows what is configured",
}
_SERVICE_OPTIONS = {
    "flush": "flush",
    "storage_path": "storage.path",
    "log_file": "log_file",
    "parsers": "parsers_file",
    "http_listen": "http_listen",
    "http_port": "http_port",
    "coro_stack_size": "coro_stack_size",
}
"""Options that are keys of [SERVICE]."""
_SERVICE_FLAGS = {"http": ("http_server", "on"), "hot_reload": ("hot_reload", "on")}
_PLUGIN_OPTIONS = {"inputs": "input", "filters": "filter", "outputs": "output"}


class _Ordered(click.Command):
    """Remembers the order of all options: `-p`, `-m` and `-t` belong to the plugin before them."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        _, _, order = self.make_parser(ctx).parse_args(list(args))
        ctx.meta[__name__] = [parameter.name for parameter in order]
        return super().parse_args(ctx, args)


def _refused(ctx: click.Context, parameter: click.Parameter, value: object) -> None:
    if value:
        raise click.UsageError(_REFUSED[str(parameter.name)], ctx)


def _foreign(*declarations: str, **how: Any) -> Callable[[Any], Any]:
    """An option of Fluent Bit's that has no place here."""
    return click.option(*declarations, hidden=True, expose_value=False, **how)


@click.command(cls=_Ordered, short_help="Collect logs as Fluent Bit's configuration says, and lose none.")
@click.option(
    "-c", "--config", metavar="FILE", help="Fluent Bit's configuration: classic, or YAML if it ends in .yaml."
)
@click.option(
    "--check",
    is_flag=True,
    help="Say what is wrong with it and what works in another way than in Fluent Bit.",
)
@click.option("--lenient", is_flag=True, help="Pass over what is unknown, with warnings.")
@click.option("-i", "--input", "inputs", metavar="PLUGIN", multiple=True, help="Add an input.")
@click.option("-F", "--filter", "filters", metavar="PLUGIN", multiple=True, help="Add a filter.")
@click.option(
    "-o",
    "--output",
    "outputs",
    metavar="PLUGIN",
    multiple=True,
    help="Add an output. With --check, json: as JSON.",
)
@click.option(
    "-p", "--prop", "properties", metavar="KEY=VALUE", multiple=True, help="A key of the plugin before it."
)
@click.option("-m", "--match", "matches", metavar="PATTERN", multiple=True, help="Its match.")
@click.option("-t", "--tag", "tags", metavar="TAG", multiple=True, help="Its tag.")
@click.option("-R", "--parser", "parsers", metavar="FILE", multiple=True, help="Add a parsers file.")
@click.option("-f", "--flush", metavar="SECONDS", help="The longest that records wait to be sent together.")
@click.option("-b", "--storage_path", metavar="FOLDER", help="Where records wait on disk.")
@click.option("-l", "--log_file", metavar="FILE", help="Where messages go instead of stderr.")
@click.option("-w", "--workdir", metavar="FOLDER", help="Work in this folder.")
@click.option(
    "-H", "--http", "--http_server", "http", is_flag=True, help="Serve health, metrics, status and reload."
)
@click.option("-L", "--http_listen", metavar="ADDRESS", help="… at this address.")
@click.option("-P", "--port", "--http_port", "http_port", metavar="PORT", help="… at this port.")
@click.option("-Y", "--enable-hot-reload", "hot_reload", is_flag=True, hidden=True)
@click.option("-D", "--dry-run", is_flag=True, help="Say whether the configuration can be used.")
@click.option("-v", "--verbose", count=True, help="More messages; twice: all.")
@click.option("-q", "--quiet", is_flag=True, help="No messages.")
@click.option("-s", "--coro_stack_size", metavar="BYTES", hidden=True)
@_foreign("-X", "--coro_collective_timeslice", metavar="SECONDS")
@_foreign("-Z", "--enable-chunk-trace", is_flag=True)
@_foreign("-W", "--disable-thread-safety-on-hot-reload", is_flag=True)
@_foreign("--supervisor", is_flag=True)
@_foreign("-e", "--plugin", callback=_refused)
@_foreign("-C", "--custom", callback=_refused)
@_foreign("-T", "--sp-task", callback=_refused)
@_foreign("-d", "--daemon", is_flag=True, callback=_refused)
@_foreign("-S", "--sosreport", is_flag=True, callback=_refused)
@click.pass_context
def collect(ctx: click.Context, /, **options: Any) -> None:
    """Read logs, filter them and ship every line at least once.

    The configuration is Fluent Bit's; the options are its too. Ctrl-C or SIGTERM reads every file to its end, delivers
    what can be delivered within the grace period, and says what was left; SIGHUP reads the configuration again.

    \b
    pillion collect -c fluent-bit.conf
    pillion collect -c fluent-bit.conf --check
    pillion collect -i tail -p path=app.log -o stdout -p format=json_lines
    """
    as_json = bool(options["check"]) and _AS_JSON in options["outputs"]
    if not options["config"] and not (options["inputs"] or options["outputs"]):
        raise click.UsageError("Missing option '-c': the configuration (or -i and -o).", ctx)
    if options["workdir"]:
        _change_folder(options["workdir"])
    load = _loader(options, _command_line(options, ctx.meta[__name__]))
    if options["check"] or options["dry_run"]:
        from pillion.cli.collectcheck import check

        sys.exit(check(load, _environment(), as_json=as_json, with_differences=bool(options["check"])))
    _run(load)


def _run(load: Callable[[], Configuration]) -> None:
    from pillion.collector import application

    configuration = load()
    sys.exit(
        application.run(
            configuration, folder=Path(configuration.folder), environment=_environment(), reload=load
        )
    )


def _change_folder(folder: str) -> None:
    import os

    try:
        os.chdir(folder)
    except OSError as error:
        raise HostError(f"cannot work in {folder}: {error.strerror}") from error


def _environment() -> Mapping[str, str]:
    """With HOSTNAME, which shells know and do not pass on (src/flb_env.c, `env_preset`)."""
    import os
    import socket

    return {"HOSTNAME": socket.gethostname(), **os.environ}


def _loader(options: Mapping[str, Any], command_line: Document) -> Callable[[], Configuration]:
    """Reads everything again at each call."""
    from pillion.collector.catalogue import Catalogue
    from pillion.collector.configuration import load

    def read() -> Configuration:
        return load(
            options["config"] or "",
            _HostFiles(),
            _environment(),
            plugins=Catalogue(),
            lenient=options["lenient"],
            command_line=command_line,
        )

    return read


class _HostFiles:
    """The machine's files, for `configuration.load`."""

    def load(self, path: str) -> bytes:
        return Path(path).read_bytes()

    def exists(self, path: str) -> bool:
        return Path(path).exists()

    def identity(self, path: str) -> str:
        return str(Path(path).resolve())

    def matching(self, pattern: str) -> list[str]:
        import glob

        return sorted(glob.glob(pattern))  # noqa: PTH207 - Path.glob takes no absolute pattern


# ── options into sections ────────────────────────────────────────────────────────────────────────────────────────────
def _command_line(options: Mapping[str, Any], order: list[str]) -> Document:
    """What the options say, as if it stood in a file (Fluent Bit's src/fluent-bit.c, `flb_main_run`)."""
    from pillion.collector.configuration.document import Document, Property, Section, SectionKind
    from pillion.collector.configuration.loading import COMMAND_LINE

    service: list[Property] = []
    plugins: list[tuple[SectionKind, list[Property]]] = []
    for name, value in _occurrences(options, order):
        if name == "outputs" and value == _AS_JSON and options["check"]:
            continue
        if name in _PLUGIN_OPTIONS:
            plugins.append((SectionKind(_PLUGIN_OPTIONS[name]), [Property("name", value, COMMAND_LINE)]))
        elif name in _SERVICE_OPTIONS:
            service.append(Property(_SERVICE_OPTIONS[name], value, COMMAND_LINE))
        elif name in _SERVICE_FLAGS:
            service.append(Property(*_SERVICE_FLAGS[name], COMMAND_LINE))
        elif name in ("properties", "matches", "tags"):
            if not plugins:
                raise click.UsageError(
                    f"{value}: -p, -m and -t stand behind the -i, -F or -o that they belong to"
                )
            plugins[-1][1].append(_property(name, value, plugins[-1][0]))
    if level := _log_level(options):
        service.append(Property("log_level", level, COMMAND_LINE))
    sections: list[Section] = [
        Section(kind=kind, properties=tuple(properties), place=COMMAND_LINE) for kind, properties in plugins
    ]
    if service:
        sections.append(Section(kind=SectionKind.SERVICE, properties=tuple(service), place=COMMAND_LINE))
    return Document(sections=tuple(sections))


def _occurrences(options: Mapping[str, Any], order: list[str]) -> Iterator[tuple[str, str]]:
    """(option, value) as they were written."""
    left = {name: list(value) for name, value in options.items() if isinstance(value, tuple)}
    for name in order:
        value = left[name].pop(0) if left.get(name) else options.get(name)
        if isinstance(value, str | bool) and value:
            yield name, str(value)


def _property(name: str, value: str, kind: Any) -> Any:
    from pillion.collector.configuration.document import Property, SectionKind
    from pillion.collector.configuration.loading import COMMAND_LINE

    if name == "properties":
        key, equals, value = value.partition("=")
        if not equals:
            raise click.UsageError(f"-p {key}: write it as KEY=VALUE")
        return Property(key.strip().lower(), value.strip(), COMMAND_LINE)
    if name == "matches" and kind is SectionKind.INPUT:
        raise click.UsageError(f"-m {value}: an input has a tag, filters and outputs have a match")
    return Property("match" if name == "matches" else "tag", value, COMMAND_LINE)


def _log_level(options: Mapping[str, Any]) -> str:
    if options["quiet"]:
        return "off"
    return {0: "", 1: "debug"}.get(options["verbose"], "trace")
