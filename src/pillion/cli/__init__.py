"""The `pillion` command. One file per command; each is imported only when it is used, so that `--help` is quick."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click

from pillion import __version__
from pillion.errors import Bug, PillionError, leaves

_COMMANDS = {
    "run": ("pillion.cli.run", "run", "Run the Pods of manifests on this machine, until they are done."),
    "serve": ("pillion.cli.serve", "serve", "Run a small Kubernetes on this machine, for kubectl."),
    "stop": ("pillion.cli.stop", "stop", "End the server and its Pods."),
    "kubeconfig": (
        "pillion.cli.kubeconfig",
        "kubeconfig",
        "Print the kubeconfig of the server, or merge it into yours.",
    ),
    "kubectl": ("pillion.cli.kubectl", "kubectl", "Run kubectl against the server."),
    "image": ("pillion.cli.image", "image", "Load, list and remove images."),
    "collect": (
        "pillion.cli.collect",
        "collect",
        "Collect logs as Fluent Bit's configuration says, and lose none.",
    ),
    "scrape": (
        "pillion.cli.scrape",
        "scrape",
        "Scrape metrics as Prometheus' configuration says, and forward them.",
    ),
    "proxy": (
        "pillion.cli.proxy",
        "proxy",
        "Terminate TLS and mTLS in front of an agent, with real Envoy.",
    ),
    "authority": (
        "pillion.cli.authority",
        "authority",
        "Issue certificates for TLS and mTLS: identities of hours, from an authority of your own.",
    ),
    "completion": ("pillion.cli.completion", "completion", "Print the shell completion script."),
}

EXIT_NOT_RUN = 2
"""A manifest, an argument or this machine does not allow it; nothing was run."""
EXIT_INTERRUPTED = 130


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        known = _COMMANDS.get(cmd_name)
        if known is None:
            return None
        module, attribute, _ = known
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            import difflib

            near = difflib.get_close_matches(args[0], _COMMANDS, n=1)
            if not near:
                raise
            raise click.UsageError(f"{error.message} Did you mean {near[0]!r}?", ctx) from None

    def invoke(self, ctx: click.Context) -> Any:
        """Ctrl-C before a command has begun to listen for it: nothing runs yet, so there is nothing to end."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            sys.exit(EXIT_INTERRUPTED)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in _COMMANDS.items()])


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="pillion")
def pillion() -> None:
    """Run an AI agent's Pod, native sidecars and all, exactly as Kubernetes will run it.

    \b
    pillion run agent.yaml                         run the Pods of a manifest
    pillion run agent.yaml --image agent:v1=./app  with a folder of this machine as the image
    """


def main(argv: list[str] | None = None) -> Any:
    """Entry point: every error becomes a message on stderr and exit code 2, never a traceback."""
    try:
        return pillion.main(args=argv, prog_name="pillion")
    except PillionError as error:
        click.echo(f"pillion: {error}", err=True)
        sys.exit(EXIT_NOT_RUN)
    except Exception as error:  # noqa: BLE001 - the last resort: whatever it is, it becomes a message
        click.echo(f"pillion: {_explain(error)}", err=True)
        sys.exit(EXIT_NOT_RUN)


def _explain(error: Exception) -> str:
    """The errors inside a group of tasks; for a bug of ours, where its details are."""
    found = leaves(error)
    if all(isinstance(leaf, PillionError) and not isinstance(leaf, Bug) for leaf in found):
        return "; ".join(dict.fromkeys(map(str, found)))
    import tempfile
    import traceback

    with tempfile.NamedTemporaryFile(
        "w", prefix="pillion-", suffix=".txt", delete=False, encoding="utf-8"
    ) as report:
        traceback.print_exception(error, file=report)
    texts = "; ".join(dict.fromkeys(f"{type(leaf).__name__}: {leaf}" for leaf in found))
    return (
        f"internal error: {texts}\n"
        f"The details are in {report.name}: please send them along with your report. Containers that still run are "
        "taken over, or stopped, by the next `pillion run` with the same state directory."
    )
