"""`pillion stop`: end the server."""

from __future__ import annotations

import click

from pillion.cli.options import state_dir_option
from pillion.daemon.detaching import end_server
from pillion.daemon.serving import Ending, find_server, open_state_dir


@click.command(short_help="End the server and its Pods.")
@click.option("--keep-pods", is_flag=True, help="Leave the Pods running: the next server takes them over.")
@click.option("--now", is_flag=True, help="End the Pods without their grace periods.")
@state_dir_option("The server's.")
def stop(
    keep_pods: bool,  # noqa: FBT001 - click gives flags so
    now: bool,  # noqa: FBT001
    state_dir: str,
) -> None:
    """Delete the server's Pods in order, with their grace periods, and then end it. Returns when all is done.

    ConfigMaps, Secrets and all other objects stay for the next `pillion serve`.
    """
    if keep_pods and now:
        raise click.UsageError("--keep-pods and --now exclude each other")
    serving = find_server(open_state_dir(state_dir))
    if serving is None:
        click.echo("No server runs.")
        return
    ending = Ending.KEEP_PODS if keep_pods else Ending.KILL_PODS if now else Ending.END_PODS
    end_server(serving, ending)
