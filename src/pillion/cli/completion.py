"""`pillion completion`: the script that makes Tab work."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from pillion.errors import ManifestError


@click.command(short_help="Print the shell completion script.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of a shell.

    \b
    source <(pillion completion bash)
    """
    from pillion.cli import pillion

    kind = get_completion_class(shell)
    if kind is None:
        raise ManifestError(f"there is no completion for {shell}")
    click.echo(kind(pillion, {}, "pillion", "_PILLION_COMPLETE").source())
