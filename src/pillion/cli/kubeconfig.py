"""`pillion kubeconfig`: how kubectl and its kin find the server."""

from __future__ import annotations

import os
from pathlib import Path

import click
import yaml

from pillion.cli.options import state_dir_option
from pillion.daemon.kubeconfig import NAME, merge_kubeconfig
from pillion.daemon.serving import open_state_dir
from pillion.errors import HostError
from pillion.privatefile import write_file


@click.command(short_help="Print the kubeconfig of the server, or merge it into yours.")
@click.option("--merge", is_flag=True, help="Into ~/.kube/config, or the first file of KUBECONFIG.")
@click.option("--env", is_flag=True, help="Print the shell command that sets KUBECONFIG.")
@state_dir_option("The server's.")
def kubeconfig(
    merge: bool,  # noqa: FBT001 - click gives flags so
    env: bool,  # noqa: FBT001
    state_dir: str,
) -> None:
    """Print the server's kubeconfig: its address, its CA and the administrator's token. Who has it is root here.

    \b
    eval "$(pillion kubeconfig --env)"     for this shell
    pillion kubeconfig --merge             for all, as context "pillion"
    """
    path = Path(open_state_dir(state_dir).kubeconfig)
    text = read_kubeconfig(path)
    if env:
        import shlex

        click.echo(f"export KUBECONFIG={shlex.quote(str(path))}")
    elif merge:
        target = _own_file()
        _merge(target, text)
        click.echo(f'Context "{NAME}" is the current one in {target}.')
    else:
        click.echo(text, nl=False)


def read_kubeconfig(path: Path) -> str:
    """Raises HostError."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise HostError(
            "cannot find a kubeconfig: no server has run here; start one with pillion serve"
        ) from None
    except OSError as error:
        raise HostError(f"cannot read {path}: {error.strerror}") from error


def _own_file() -> Path:
    first = os.environ.get("KUBECONFIG", "").split(os.pathsep)[0]
    return Path(first) if first else Path.home() / ".kube" / "config"


def _merge(target: Path, text: str) -> None:
    try:
        known = target.read_text(encoding="utf-8") if target.exists() else ""
        target.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        write_file(target.resolve(), merge_kubeconfig(known, yaml.safe_load(text)).encode())
    except OSError as error:
        raise HostError(f"cannot write {target}: {error.strerror}") from error
