"""`pacedclient.py http|https PORT RATE SECONDS`: HTTP/1.1 at an even pace; prints what each request took (ms, JSON).

Ten connections, each with a thread of its own, ask in turns: no request waits for another one's answer, and none sets
out together with another, as those of h2load do, whose timers have ten milliseconds.
"""

import json
import socket
import ssl
import sys
import threading
import time

_CONNECTIONS = 10
_REQUEST = b"GET /inference HTTP/1.1\r\nHost: localhost\r\n\r\n"


def main() -> None:
    scheme, port, rate, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])
    begin = time.perf_counter() + 0.5
    pace = _CONNECTIONS / rate
    took: list[list[float]] = [[] for _ in range(_CONNECTIONS)]
    threads = [
        threading.Thread(
            target=_ask, args=(_connect(scheme, port), begin + number / rate, pace, begin + seconds, taken)
        )
        for number, taken in enumerate(took)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    json.dump([each for taken in took for each in taken], sys.stdout)


def _connect(scheme: str, port: int) -> socket.socket:
    plain = socket.create_connection(("127.0.0.1", port), timeout=30)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if scheme == "http":
        return plain
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(plain)


def _ask(connection: socket.socket, due: float, pace: float, end: float, took: list[float]) -> None:
    _answer(connection)  # what is made at the first request
    with connection:
        while due < end:
            time.sleep(max(0.0, due - time.perf_counter()))  # noqa: TID251 - the pace
            begun = time.perf_counter()
            _answer(connection)
            took.append((time.perf_counter() - begun) * 1000)
            due += pace


def _answer(connection: socket.socket) -> None:
    connection.sendall(_REQUEST)
    data = b""
    while b"\r\n\r\n" not in data:
        data += _more(connection)
    head, _, body = data.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200 "):
        raise RuntimeError(f"not answered: {head!r}")
    length = next(
        int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")
    )
    while len(body) < length:
        body += _more(connection)


def _more(connection: socket.socket) -> bytes:
    data = connection.recv(1 << 16)
    if not data:
        raise RuntimeError("the connection was closed")
    return data


if __name__ == "__main__":
    main()
