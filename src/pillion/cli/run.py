"""`pillion run`: Pods of manifests, here and now."""

from __future__ import annotations

import asyncio
import errno
import logging
import signal
import sys
from pathlib import Path
from typing import Protocol

import click
import msgspec

from pillion.cli.manifests import read_ask
from pillion.cli.options import (
    identity_lifetime_option,
    image_option,
    stand_ins_option,
    state_dir_option,
    trust_domain_option,
)
from pillion.cli.output import Output, stdout_descriptor
from pillion.clock import LoopClock
from pillion.containers.images import parse_sources
from pillion.daemon.assembly import Config
from pillion.daemon.identitysettings import IdentitySettings, parse_trust_domain
from pillion.daemon.publishing import parse_publication
from pillion.daemon.run import Ask, FinishedPod, Run, Watcher
from pillion.errors import HostError
from pillion.plan.pods import metadata_of

EXIT_FAILED = 1
EXIT_TIMEOUT = 124
_SIGNALS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


class _Shower(Watcher, Protocol):
    def finished(self, pods: list[FinishedPod]) -> None: ...

    def hurry(self) -> None:
        """Wait no longer for whoever reads."""

    async def close(self) -> None: ...


@click.command(short_help="Run the Pods of manifests on this machine, until they are done.")
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@image_option
@stand_ins_option
@click.option(
    "--publish",
    "publish",
    metavar="HOST:PORT",
    multiple=True,
    help="Reach a Pod's port on this machine: [ADDRESS:]HOST_PORT:[[NAMESPACE/]POD/]PORT.",
)
@click.option("-n", "--namespace", default="default", show_default=True, help="For objects that name none.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "wide", "json"]),
    default="text",
    show_default=True,
    help="json: one object per line.",
)
@click.option("--timeline", is_flag=True, help="At the end, print what happened when, and why.")
@click.option(
    "--timeout",
    metavar="SECONDS",
    type=click.FloatRange(min=0),
    help="End the Pods in order after this time.",
)
@trust_domain_option
@identity_lifetime_option
@state_dir_option("Where everything is kept; one pillion per folder.")
@click.option("--color/--no-color", default=None, help="Colours; by default on a terminal.")
def run(
    files: tuple[str, ...],
    images: tuple[str, ...],
    no_stand_ins: bool,  # noqa: FBT001 - click gives flags so
    publish: tuple[str, ...],
    namespace: str,
    output: str,
    timeline: bool,  # noqa: FBT001
    timeout: float | None,
    trust_domain: str,
    identity_lifetime: float,
    state_dir: str,
    color: bool | None,  # noqa: FBT001
) -> None:
    """Run the Pods in FILE... (files, folders, or - for standard input) with their ConfigMaps and Secrets.

    Ctrl-C ends them in the kubelet's order; a second Ctrl-C ends them at once.

    \b
    pillion run pod.yaml
    pillion run pod.yaml config.yaml --image myregistry.example/agent:v1=./agent --publish 8080:8000
    cat pod.yaml | pillion run - -o json --timeout 60

    \b
    Exit status: 0 all Pods Succeeded; 1 a Pod Failed; 2 nothing was run (manifest, argument, machine);
    124 the timeout ended them; 130 Ctrl-C ended them, 143 SIGTERM, 129 SIGHUP, or nobody reads.
    """
    ask = read_ask(files, namespace)
    ask = msgspec.structs.replace(ask, publications=tuple(parse_publication(text) for text in publish))
    config = Config(
        state_dir=state_dir,
        images=parse_sources(images, folder=_current_folder(), stand_ins=not no_stand_ins),
        identities=IdentitySettings(
            trust_domain=parse_trust_domain(trust_domain), lifetime=identity_lifetime
        ),
    )
    sys.exit(asyncio.run(_run(config, ask, output, show_timeline=timeline, timeout=timeout, color=color)))


def _current_folder() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise HostError("the current folder does not exist any more; change into another") from None


async def _run(
    config: Config, ask: Ask, output: str, *, show_timeline: bool, timeout: float | None, color: bool | None
) -> int:
    # What goes wrong is said as Events and messages; a traceback is for nobody who runs a Pod.
    logging.getLogger("pillion").addHandler(logging.NullHandler())
    endings: list[int] = []

    def end(status: int) -> None:
        endings.append(status)
        run.interrupt()
        if len(endings) > 1:
            watcher.hurry()

    def broken(error: OSError) -> None:
        if error.errno not in (errno.EPIPE, errno.EIO):
            click.echo(f"pillion: cannot write to standard output: {error.strerror}", err=True)
        if not endings:  # a terminal that goes away says so by SIGHUP too
            end(_SIGNALS[signal.SIGHUP])

    watcher = _watcher(
        output,
        Output(stdout_descriptor(), broken),
        namespaces={metadata_of(pod).namespace or "default" for pod in ask.pods},
        show_timeline=show_timeline,
        color=color,
    )
    run = Run(config, ask, watcher)
    loop = asyncio.get_running_loop()
    for number, status in _SIGNALS.items():
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup
            loop.add_signal_handler(number, end, status)
    timer = loop.call_later(timeout, end, EXIT_TIMEOUT) if timeout is not None else None
    try:
        pods = await run.run()
        watcher.finished(pods)
    finally:
        if timer is not None:
            timer.cancel()
        await watcher.close()
    if endings:
        return endings[0]
    return 0 if all(pod.phase == "Succeeded" for pod in pods) else EXIT_FAILED


def _watcher(
    format_: str, output: Output, *, namespaces: set[str], show_timeline: bool, color: bool | None
) -> _Shower:
    if format_ == "json":
        from pillion.cli.jsonwatcher import JsonWatcher

        return JsonWatcher(output)
    from pillion.cli.table import Columns

    columns = Columns(wide=format_ == "wide", namespace=len(namespaces) > 1)
    is_terminal = sys.stdout.isatty()
    if is_terminal and color is not False:
        from pillion.cli.livewatcher import LiveWatcher

        return LiveWatcher(output, LoopClock(), columns, show_timeline=show_timeline)
    from pillion.cli.textwatcher import TextWatcher

    return TextWatcher(output, columns, is_coloured=color is True, show_timeline=show_timeline)
