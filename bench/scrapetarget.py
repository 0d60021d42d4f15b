"""A target for scrapers: `scrapetarget.py SERIES` prints its port; `/count` says how often which path was asked for.

Its pages look like an agent's, histograms by path and code. All values of one differ from those of all others. Each is
made when the one before it has been sent, so that nobody waits for it.
"""

import json
import random
import socket
import sys
import threading
from collections import Counter

_SEED = 5
_KEPT = 8
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, "+Inf")


class _Pages:
    def __init__(self, size: int) -> None:
        self._texts = _texts(size)
        self._chosen = random.Random(_SEED)  # noqa: S311
        self._lock = threading.Lock()
        self._made: dict[int, bytes] = {}

    def page(self, number: int) -> bytes:
        """The page of one's scrape `number`: the same for all scrapers."""
        with self._lock:
            if number not in self._made:
                self._made[number] = self._make(number)
                self._made.pop(number - _KEPT, None)
            return self._made[number]

    def _make(self, number: int) -> bytes:
        values: list[str] = []
        while len(values) < len(self._texts):
            total = self._chosen.randrange(10**3) + number * 10**3
            values += [str(total * (at + 1)) for at in range(len(_BUCKETS))]
            values += [repr(total * 0.4711), str(total * len(_BUCKETS))]
        lines = [f"{text} {value}\n" for text, value in zip(self._texts, values, strict=False)]
        return "".join(lines).encode()


def _texts(size: int) -> list[str]:
    """All of a sample's line but the value; with the comments above it."""
    texts: list[str] = []
    number = 0
    while len(texts) < size:
        name = f"http_request_duration_seconds_{number // 60}"
        above = ""
        if number % 60 == 0:
            above = f"# HELP {name} How long requests took.\n# TYPE {name} histogram\n"
        labels = f'method="GET",path="/api/v1/path{number % 60}",code="{200 + number % 5}"'
        texts += [
            f'{above if at == 0 else ""}{name}_bucket{{{labels},le="{le}"}}' for at, le in enumerate(_BUCKETS)
        ]
        texts += [f"{name}_sum{{{labels}}}", f"{name}_count{{{labels}}}"]
        number += 1
    return texts[:size]


def _serve(connection: socket.socket, pages: _Pages, counts: Counter[str]) -> None:
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
                kind, body = "text/plain; version=0.0.4; charset=utf-8", pages.page(counts[path])
                counts[path] += 1
            answer = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
            try:
                connection.sendall(answer.encode())
                connection.sendall(body)
            except ConnectionError:  # a scraper that has ended
                return
            if path != "/count":
                pages.page(counts[path])


def main() -> None:
    pages = _Pages(int(sys.argv[1]))
    counts: Counter[str] = Counter()
    listener = socket.create_server(("127.0.0.1", 0))
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    while True:
        connection = listener.accept()[0]
        threading.Thread(target=_serve, args=(connection, pages, counts), daemon=True).start()


if __name__ == "__main__":
    main()
