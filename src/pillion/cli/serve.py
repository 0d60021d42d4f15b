"""`pillion serve`: a small Kubernetes for this machine."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pillion.cli.options import (
    identity_lifetime_option,
    image_option,
    stand_ins_option,
    state_dir_option,
    trust_domain_option,
)
from pillion.daemon.detaching import ENDING_SIGNALS, report, start_detached
from pillion.daemon.identitysettings import IdentitySettings, parse_trust_domain
from pillion.daemon.serving import DEFAULT_PORT, DEFAULT_STATE_DIR, Ending, open_state_dir

if TYPE_CHECKING:
    from pillion.daemon.serve import Server

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
@trust_domain_option
@identity_lifetime_option
@state_dir_option("Where everything is kept; one pillion per folder.")
def serve(
    port: int,
    detach: bool,  # noqa: FBT001 - click gives flags so
    images: tuple[str, ...],
    no_stand_ins: bool,  # noqa: FBT001
    trust_domain: str,
    identity_lifetime: float,
    state_dir: str,
) -> None:
    """Serve the Kubernetes API on 127.0.0.1 and run its Pods on this machine.

    Ctrl-C, or `pillion stop`, ends the Pods in order, and then the server; a second Ctrl-C ends them at once. A server
    that is killed leaves its Pods running, and the next one takes them over.

    \b
    pillion serve --detach
    eval "$(pillion kubeconfig --env)"
    kubectl apply -f agent.yaml
    """
    state = open_state_dir(state_dir)
    identities = IdentitySettings(trust_domain=parse_trust_domain(trust_domain), lifetime=identity_lifetime)

    def build(on_ready: Callable[[int], None]) -> Server:
        from pillion.containers.images import parse_sources
        from pillion.daemon.assembly import Config
        from pillion.daemon.serve import Server

        sources = parse_sources(images, folder=Path.cwd(), stand_ins=not no_stand_ins)
        return Server(
            Config(state_dir=str(state.root), images=sources, identities=identities), port, on_ready
        )

    def serve_in_background(descriptor: int) -> None:
        with report(descriptor) as tell:
            with _loading():
                server = build(tell)
            _log_to(Path(state.server_log))
            os.chdir("/")  # the folder it was started in may go
            asyncio.run(_serve(server))

    if detach:
        _say(start_detached(state, serve_in_background), state_dir)
        return
    with _loading():
        server = build(lambda known: _say(known, state_dir))
    _log_to(None)
    asyncio.run(_serve(server))


@contextmanager
def _loading() -> Iterator[None]:
    """What is made in the block stays for good: the garbage collector need not look at it, neither now nor later.

    That is a fifth of the time that loading takes, and most of what a full collection would take ever after.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


async def _serve(server: Server) -> None:
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
