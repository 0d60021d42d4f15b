"""A target for scrapers: `scrapetarget.py SERIES` prints its port; `/count` says how often which path was asked for.

Its pages look like an agent's, histograms by path and code. They are made beforehand, so that serving one costs next to
nothing; all values of one differ from those of the page before.
"""

import json
import random
import socket
import sys
import threading
from collections import Counter

_SEED = 5
_PAGES = 6
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, "+Inf")
_OF_EACH = len(_BUCKETS) + 2


def _page(size: int, chosen: random.Random) -> bytes:
    lines: list[str] = []
    samples = 0
    number = 0
    while samples < size:
        name = f"http_request_duration_seconds_{number // 60}"
        if number % 60 == 0:
            lines += [f"# HELP {name} How long requests took.", f"# TYPE {name} histogram"]
        labels = f'method="GET",path="/api/v1/path{number % 60}",code="{200 + number % 5}"'
        total = chosen.randrange(10**6)
        part = [f'{name}_bucket{{{labels},le="{le}"}} {total - 10 * at}' for at, le in enumerate(_BUCKETS)]
        part += [f"{name}_sum{{{labels}}} {total * chosen.random()!r}", f"{name}_count{{{labels}}} {total}"]
        lines += part[: size - samples]
        samples += _OF_EACH
        number += 1
    return "".join(line + "\n" for line in lines).encode()


def _serve(connection: socket.socket, pages: list[bytes], counts: Counter[str]) -> None:
    data = b""
    with connection:
        while True:
            while b"\r\n\r\n" not in data:
                more = connection.recv(1 << 16)
                if not more:
                    return
                data += more
            head, _, data = data.partition(b"\r\n\r\n")
            path = head.split(b" ", 2)[1].decode()
            if path == "/count":
                kind, body = "application/json", json.dumps(counts).encode()
            else:
                kind, body = "text/plain; version=0.0.4; charset=utf-8", pages[counts[path] % len(pages)]
                counts[path] += 1
            answer = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
            connection.sendall(answer.encode())
            connection.sendall(body)


def main() -> None:
    chosen = random.Random(_SEED)  # noqa: S311
    pages = [_page(int(sys.argv[1]), chosen) for _ in range(_PAGES)]
    counts: Counter[str] = Counter()
    listener = socket.create_server(("127.0.0.1", 0))
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    while True:
        connection = listener.accept()[0]
        threading.Thread(target=_serve, args=(connection, pages, counts), daemon=True).start()


if __name__ == "__main__":
    main()
