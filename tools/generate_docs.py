"""Write the parts of the documentation that are made from the source; `tests/architecture` holds them to it.

tools/generate_docs.py           write
tools/generate_docs.py --check   exit status 1 when something is not as it should be
"""

from __future__ import annotations

import functools
import importlib
import re
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import click
from collector_docs import plugins_page, service_page
from proxy_docs import configuration_page, configuration_schema

from pillion import statedir
from pillion.apiserver.catalogue import build_registry
from pillion.apiserver.registry import ALL_VERBS, Service
from pillion.cli import pillion
from pillion.collector.configuration import PluginKind

ROOT = Path(__file__).resolve().parent.parent
WIDTH = 100


def cli_page() -> str:
    """Every command with its help, as it is printed."""
    parts = [
        "# The command line",
        "Made from the program by `tools/generate_docs.py`. Exit statuses: [exit-status.md](exit-status.md).",
    ]
    parts += [_help(path) for path in _command_paths(pillion, ())]
    return "\n\n".join(parts) + "\n"


def _command_paths(command: click.Command, path: tuple[str, ...]) -> list[tuple[str, ...]]:
    paths = [path]
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            paths += _command_paths(found, (*path, name))
    return paths


def _help(path: tuple[str, ...]) -> str:
    context: click.Context | None = None
    command: click.Command = pillion
    for name in ("pillion", *path):
        if context is not None:
            assert isinstance(command, click.Group)
            found = command.get_command(context, name)
            assert found is not None
            command = found
        settings = {**command.context_settings, "terminal_width": WIDTH, "max_content_width": WIDTH}
        context = click.Context(command, parent=context, info_name=name, **settings)
    assert context is not None
    text = "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
    return f"## {' '.join(('pillion', *path))}\n\n```text\n{text}\n```"


def state_directory_tree() -> str:
    """The tree in statedir's docstring."""
    lines = (line.strip() for line in (statedir.__doc__ or "").splitlines())
    tree = [line for line in lines if line.startswith("DIR/")]
    assert tree, "statedir's docstring shows the tree"
    return "\n".join(("```text", *tree, "```"))


def kinds(service: Service) -> str:
    """The resources that are served in this way, as discovery shows them."""
    rows = [
        "| kind | resource | short | scope | verbs | subresources |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for resource in build_registry():
        if resource.service is service:
            verbs = "all" if resource.verbs == ALL_VERBS else ", ".join(resource.verbs)
            below = ", ".join(f"`{known.name}`" for known in resource.subresources)
            cells = (
                resource.kind,
                f"`{resource.api_version}` {resource.plural}",
                ", ".join(resource.short_names),
                "namespace" if resource.namespaced else "cluster",
                verbs,
                below,
            )
            rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def refused_kinds() -> str:
    """Those that are listed as empty: what a client is told that creates one."""
    names = dict.fromkeys(
        f"{resource.kind}{f' ({resource.group})' if resource.group else ''}"
        for resource in build_registry()
        if resource.service is Service.EMPTY
    )
    return ", ".join(names) + "."


def layers() -> str:
    """The order of imports, and what each package is for: the first sentence of its docstring."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    order = next(contract["layers"] for contract in contracts if contract["id"] == "one-way")
    rows = ["| layer | what it is |", "| --- | --- |"]
    for layer in order:
        rows += [f"| `{name}` | {_charter(name)} |" for name in layer.replace("|", " ").split()]
        if layer == "clock":
            rows.append(
                "| | *the waterline: below this row nothing waits, reads a clock or touches the host* |"
            )
    return "\n".join(rows)


def _charter(name: str) -> str:
    text = " ".join((importlib.import_module(f"pillion.{name}").__doc__ or "").split("\n\n")[0].split())
    sentence = re.match(r".*?\.(?= |$)", text)
    return (sentence[0] if sentence else text).rstrip(".")


PAGES: dict[str, Callable[[], str]] = {
    "docs/reference/cli.md": cli_page,
    "docs/reference/collector-service.md": service_page,
    **{
        f"docs/reference/collector-{kind.value}s.md": functools.partial(plugins_page, kind)
        for kind in PluginKind
    },
    "docs/reference/proxy-configuration.md": functools.partial(configuration_page, ROOT),
    "docs/reference/proxy-configuration.schema.json": configuration_schema,
}
"""Whole pages."""
SECTIONS: dict[tuple[str, str], Callable[[], str]] = {
    ("docs/reference/state-directory.md", "tree"): state_directory_tree,
    ("ARCHITECTURE.md", "layers"): layers,
    ("docs/reference/api.md", "stored kinds"): functools.partial(kinds, Service.STORED),
    ("docs/reference/api.md", "computed kinds"): functools.partial(kinds, Service.COMPUTED),
    ("docs/reference/api.md", "refused kinds"): refused_kinds,
}
"""Parts of pages, between `<!-- made: NAME -->` and `<!-- end -->`."""


def outdated() -> dict[Path, str]:
    """The pages that are not as they should be, and how they should be."""
    wanted: dict[Path, str] = {ROOT / name: make() for name, make in PAGES.items()}
    for (name, section), make in SECTIONS.items():
        page = ROOT / name
        text = wanted.get(page, page.read_text())
        mark = re.compile(rf"(?s)(<!-- made: {section} -->\n).*?(<!-- end -->)")
        assert mark.search(text), f"{name} has no section {section}"
        made = make()
        wanted[page] = mark.sub(lambda found, made=made: f"{found[1]}{made}\n{found[2]}", text)  # type: ignore[misc]
    return {page: text for page, text in wanted.items() if not page.exists() or page.read_text() != text}


def main() -> int:
    pages = outdated()
    for page, text in pages.items():
        print(f"{page.relative_to(ROOT)}: {'is not fresh' if '--check' in sys.argv else 'written'}")
        if "--check" not in sys.argv:
            page.write_text(text)
    return 1 if pages and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
