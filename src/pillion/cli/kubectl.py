"""`pillion kubectl`: the kubectl of this machine, pointed at the server."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import click

from pillion.cli.kubeconfig import read_kubeconfig
from pillion.daemon.serving import DEFAULT_STATE_DIR, open_state_dir
from pillion.errors import HostError

MISSING = (
    "cannot find kubectl: install it with `apt-get install kubernetes-client`, or see "
    "https://kubernetes.io/docs/tasks/tools/"
)


@click.command(
    short_help="Run kubectl against the server.",
    context_settings={
        "ignore_unknown_options": True,
        "allow_interspersed_args": False,
        "help_option_names": [],
    },
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def kubectl(arguments: tuple[str, ...]) -> None:
    """Run the kubectl on the PATH with the server's kubeconfig. PILLION_STATE_DIR says which server is meant.

    \b
    pillion kubectl get pods
    """
    state_dir = os.environ.get("PILLION_STATE_DIR") or DEFAULT_STATE_DIR
    path = Path(open_state_dir(state_dir).kubeconfig)
    program = shutil.which("kubectl")
    if program is None:
        raise HostError(MISSING)
    read_kubeconfig(path)
    os.execve(program, ["kubectl", *arguments], os.environ | {"KUBECONFIG": str(path)})  # noqa: S606 - its place is ours
