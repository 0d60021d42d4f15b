"""What `pillion proxy` costs beside the same Envoy with a configuration by hand, and beside nginx.

All stand before the same upstream in the same run, and are asked in turns; only one works at a time. A ratio is of two
neighbours of one round. CPU is that of all processes of a peer, by requests.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from bench import proxypeers
from bench.figures import Figure, Note
from bench.memory import proportional_mb, resident_mb
from bench.proxyload import PROTOCOLS, Latency, Load, load, paced
from bench.proxypeers import Pair, Peer

ROUNDS = 15
SECONDS = 1
RATE = 500
LOADED_SECONDS = 3
PACED_SECONDS = 8
PACED_ROUNDS = 3
STARTS = 5
IDLE_SECONDS = 20
_LOGGED = "pillion proxy, access log"
_ACCESS_LOG = "accessLog: {path: {folder}/access.log}\n"


class _Measured(NamedTuple):
    load: Load
    cpu: float
    """Microseconds by request."""


def throughput(folder: Path) -> list[Figure | Note]:
    if why := proxypeers.missing():
        return [Note(f"proxy-requests is not measured: {why}")]
    figures: list[Figure | Note] = []
    with _all(folder) as (_, peers):
        for protocol in PROTOCOLS:
            for peer in peers:
                load(peer.url, protocol, 1)
            rounds = [[_measure(peer, protocol) for peer in peers] for _ in range(ROUNDS)]
            figures += _compare(protocol, peers, rounds)
    return figures


def latency(folder: Path) -> list[Figure | Note]:
    if why := proxypeers.missing():
        return [Note(f"proxy-latency is not measured: {why}")]
    with _all(folder) as (port, peers):
        bare = f"http://127.0.0.1:{port}/inference"
        urls = {"no proxy, plain text": bare} | {peer.name: peer.url for peer in peers}
        seen: dict[str, list[Latency]] = {name: [] for name in urls}
        for _ in range(PACED_ROUNDS):
            for name, url in urls.items():
                seen[name].append(paced(url, RATE, PACED_SECONDS))
    figures: list[Figure | Note] = []
    for name, taken in seen.items():
        figures += [
            Figure(f"{RATE} requests/s: {name}: p50", "ms", tuple(one.p50 for one in taken)),
            Figure("  p99", "ms", tuple(one.p99 for one in taken)),
        ]
    return figures


def weight(folder: Path) -> list[Figure | Note]:
    """After load, and idle."""
    if why := proxypeers.missing():
        return [Note(f"proxy-memory is not measured: {why}")]
    figures: list[Figure | Note] = []
    with _all(folder) as (_, peers):
        for peer in peers:
            for protocol in PROTOCOLS:
                load(peer.url, protocol, LOADED_SECONDS)
            figures += _weigh(peer)
        before = [peer.cpu_seconds() for peer in peers]
        _idle(peers, IDLE_SECONDS)
        for peer, spent in zip(peers, before, strict=True):
            used = (peer.cpu_seconds() - spent) / IDLE_SECONDS * 100
            figures.append(Figure(f"{peer.name}: CPU, idle for {IDLE_SECONDS} s", "% of a core", (used,)))
    return figures


def start(folder: Path) -> list[Figure | Note]:
    if why := proxypeers.missing():
        return [Note(f"proxy-start is not measured: {why}")]
    pair = proxypeers.make_pair(folder / "tls")
    took: dict[str, list[float]] = {}
    with proxypeers.upstream(folder / "upstream") as port:
        for number in range(STARTS + 1):
            for opened in _peers(folder, pair, port, f"{number}-"):
                with opened as peer:
                    took.setdefault(peer.name, []).append(peer.ready_after * 1000)
    return [Figure(f"{name}: start until it serves", "ms", tuple(each[1:])) for name, each in took.items()]


def _compare(protocol: str, peers: list[Peer], rounds: list[list[_Measured]]) -> Iterator[Figure]:
    columns = list(zip(*rounds, strict=True))
    about = {peer.name: column for peer, column in zip(peers, columns, strict=True)}
    for name, column in about.items():
        yield Figure(f"{protocol}: {name}", "requests/s", tuple(one.load.per_second for one in column))
        yield Figure("  CPU", "µs per request", tuple(one.cpu for one in column))
        if not name.startswith("pillion"):
            continue
        for other, theirs in about.items():
            if other.startswith("pillion"):
                continue
            ratios = (
                ours.load.per_second / peer.load.per_second for ours, peer in zip(column, theirs, strict=True)
            )
            yield Figure(f"  of the requests/s of {other}", "×", tuple(ratios))
            spent = (ours.cpu / peer.cpu for ours, peer in zip(column, theirs, strict=True))
            yield Figure(f"  of the CPU of {other}", "×", tuple(spent))


def _measure(peer: Peer, protocol: str) -> _Measured:
    before = peer.cpu_seconds()
    done = load(peer.url, protocol, SECONDS)
    return _Measured(done, (peer.cpu_seconds() - before) / done.requests * 1e6)


def _weigh(peer: Peer) -> Iterator[Figure]:
    processes = peer.processes()
    total = tuple(map(sum, zip(*map(_memory, processes), strict=True)))
    yield Figure(f"{peer.name}: memory of its own, after load", "MB", (total[0],))
    yield Figure("  PSS", "MB", (total[1],))
    yield Figure("  RSS", "MB", (total[2],))
    if len(processes) > 1 and peer.name.startswith("pillion"):
        for pid in processes:
            own, pss, resident = _memory(pid)
            command = Path(f"/proc/{pid}/comm").read_text().strip()
            yield Figure(f"  {command}: of its own", "MB", (own,))
            yield Figure(f"  {command}: PSS", "MB", (pss,))
            yield Figure(f"  {command}: RSS", "MB", (resident,))


def _memory(pid: int) -> tuple[float, float, float]:
    """Anonymous (what no page cache could give back), PSS, RSS."""
    status = Path(f"/proc/{pid}/status").read_text()
    anonymous = next(line for line in status.splitlines() if line.startswith("RssAnon:"))
    return float(anonymous.split()[1]) / 1024, proportional_mb(pid), resident_mb(pid)


def _idle(peers: list[Peer], seconds: float) -> None:
    first, *_ = peers
    try:
        first.child.wait(seconds)
    except subprocess.TimeoutExpired:
        return
    raise RuntimeError(f"{first.name} ended by itself, exit status {first.child.returncode}")


@contextmanager
def _all(folder: Path) -> Iterator[tuple[int, list[Peer]]]:
    """The upstream's port, and all peers before it."""
    pair = proxypeers.make_pair(folder / "tls")
    with ExitStack() as stack:
        port = stack.enter_context(proxypeers.upstream(folder / "upstream"))
        with proxypeers.pillion(folder / "warm", pair, port):
            pass  # bytecode is kept, as where pillion is installed
        yield port, [stack.enter_context(each) for each in _peers(folder, pair, port)]


def _peers(folder: Path, pair: Pair, port: int, prefix: str = "") -> list[AbstractContextManager[Peer]]:
    """Not yet opened. In folders beside each other: they share pillion's bytecode."""
    logged = folder / f"{prefix}logged"
    return [
        proxypeers.nginx(folder / f"{prefix}nginx", pair, port),
        proxypeers.envoy(folder / f"{prefix}envoy", pair, port),
        proxypeers.pillion(folder / f"{prefix}pillion", pair, port),
        proxypeers.pillion(logged, pair, port, name=_LOGGED, more=_ACCESS_LOG),
    ]
