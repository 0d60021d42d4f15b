"""An API server for Events alone: keeps what it is sent, and answers as it is told to."""

from __future__ import annotations

import base64
import http.server
import json
import ssl
import threading
from pathlib import Path
from typing import Any

from tests.integration.proxy.authorities import Authority
from tests.proxy_traffic import PATIENCE

from pillion.proxy.application.incluster import ApiServer

Tree = dict[str, Any]


class Asked:
    def __init__(self, request: http.server.BaseHTTPRequestHandler, body: bytes) -> None:
        self.method = request.command
        self.path = request.path
        self.token = (request.headers["Authorization"] or "").removeprefix("Bearer ")
        self.type = request.headers["Content-Type"]
        self.body: Tree = json.loads(body)


class _Quiet(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A client may go away in the middle of anything."""


class EventServer:
    """Use as a context. `credentials` is the folder that a Pod would have."""

    def __init__(self, folder: Path) -> None:
        self.asked: list[Asked] = []
        self.answers: list[int] = []
        """Statuses of the next answers; then 201 or 200."""
        self.is_silent = False
        self._goes_on = threading.Event()
        self.credentials = folder / "serviceaccount"
        self.credentials.mkdir()
        authority = Authority()
        (self.credentials / "ca.crt").write_bytes(authority.pem)
        self.give_token("first")
        issued = authority.issue(folder / "tls", "api", addresses=["127.0.0.1"])
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(issued / "tls.crt", issued / "tls.key")
        self._server = _Quiet(("127.0.0.1", 0), self._answering())
        self._server.socket = tls.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    def give_token(self, jti: str) -> str:
        """Bound to the Pod agent-7 of the namespace shop."""
        claims = {
            "jti": jti,
            "kubernetes.io": {"namespace": "shop", "pod": {"name": "agent-7", "uid": "u-1"}},
        }
        text = ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (
            b'{"alg":"none"}', json.dumps(claims).encode(), b"signature"
        ))  # fmt: skip
        beside = self.credentials / ".token"
        beside.write_text(text)
        beside.rename(self.credentials / "token")
        return text

    @property
    def place(self) -> ApiServer:
        return ApiServer(host="127.0.0.1", port=self._server.server_port, credentials=str(self.credentials))

    def __enter__(self) -> EventServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._goes_on.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _answering(server: EventServer) -> type[http.server.BaseHTTPRequestHandler]:  # noqa: N805
        class Answering(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                server.asked.append(Asked(self, content))
                if server.is_silent:
                    server._goes_on.wait(PATIENCE)
                    self.close_connection = True
                    return
                status = server.answers.pop(0) if server.answers else 201 if self.command == "POST" else 200
                body = json.dumps({"kind": "Status", "code": status, "message": f"said {status}"}).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_PATCH = do_POST

            def log_message(self, *_: object) -> None:
                pass

        return Answering
