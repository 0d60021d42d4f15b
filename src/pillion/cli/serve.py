"""`pillion serve`: a small Kubernetes for this machine."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pillion.cli.options import image_option, stand_ins_option, state_dir_option
from pillion.daemon.detaching import ENDING_SIGNALS, report, start_detached
from pillion.daemon.serving import DEFAULT_PORT, DEFAULT_STATE_DIR, Ending, open_state_dir

if TYPE_CHECKING:
    from pillion.daemon.assembly import Config

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@click.command(short_help="Run a small Kubernetes on this machine, for kubectl.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=DEFAULT_PORT,
    show_default=True,
    help="Of the API, on 127.0.0.1; 0: any that is free.",
)
@click.option("--detach", is_flag=True, help="Return once the API answers, and go on in the background.")
@image_option
@stand_ins_option
@state_dir_option("Where everything is kept; one pillion per folder.")
@click.option("--report-fd", type=int, hidden=True, help="Where --detach is told how the start went.")
def serve(
    port: int,
    detach: bool,  # noqa: FBT001 - click gives flags so
    images: tuple[str, ...],
    no_stand_ins: bool,  # noqa: FBT001
    state_dir: str,
    report_fd: int | None,
) -> None:
    """Serve the Kubernetes API on 127.0.0.1 and run its Pods on this machine.

    Ctrl-C, or `pillion stop`, ends the Pods in order, and then the server; a second Ctrl-C ends them at once. A server
    that is killed leaves its Pods running, and the next one takes them over.

    \b
    pillion serve --detach
    eval "$(pillion kubeconfig --env)"
    kubectl apply -f agent.yaml
    """
    if detach:
        state = open_state_dir(state_dir)
        argv = ["serve", "--port", str(port), "--state-dir", str(state.root)]
        argv += [word for image in images for word in ("--image", image)]
        argv += ["--no-stand-ins"] if no_stand_ins else []
        _say(start_detached(argv, state), state_dir)
        return
    from pillion.containers.images import parse_sources
    from pillion.daemon.assembly import Config

    sources = parse_sources(images, folder=Path.cwd(), stand_ins=not no_stand_ins)
    config = Config(state_dir=state_dir, images=sources)
    _log_to(None if report_fd is None else Path(open_state_dir(state_dir).server_log))
    if report_fd is None:
        asyncio.run(_serve(config, port, lambda known: _say(known, state_dir)))
    else:
        os.chdir("/")  # the folder it was started in may go
        with report(report_fd) as tell:
            asyncio.run(_serve(config, port, tell))


async def _serve(config: Config, port: int, on_ready: Callable[[int], None]) -> None:
    from pillion.daemon.serve import Server

    server = Server(config, port, on_ready)
    loop = asyncio.get_running_loop()
    asked = 0

    def end_pods() -> None:
        nonlocal asked
        asked += 1
        server.end(Ending.END_PODS if asked == 1 else Ending.KILL_PODS)

    for number in _SIGNALS:
        loop.add_signal_handler(number, end_pods)
    for ending in (Ending.KEEP_PODS, Ending.KILL_PODS):
        loop.add_signal_handler(ENDING_SIGNALS[ending], server.end, ending)
    await server.run()


def _say(port: int, state_dir: str) -> None:
    option = "" if state_dir == DEFAULT_STATE_DIR else f" --state-dir {state_dir}"
    click.echo(f"The API answers at https://127.0.0.1:{port}. For kubectl:")
    click.echo(f'  eval "$(pillion kubeconfig --env{option})"')


def _log_to(path: Path | None) -> None:
    """To stderr in the foreground; in the background to a file that cannot grow without end."""
    import logging.handlers

    handler: logging.Handler = logging.StreamHandler()
    if path is not None:
        handler = logging.handlers.RotatingFileHandler(path, maxBytes=1 << 20, backupCount=1)
    logging.basicConfig(
        level=logging.INFO, handlers=[handler], format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    for name in ("uvicorn", "websockets"):
        logging.getLogger(name).setLevel(logging.WARNING)
