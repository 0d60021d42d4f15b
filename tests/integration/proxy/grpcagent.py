"""A gRPC server of grpcio whose messages are bytes as they are: no protocol buffers are needed."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc

SERVICE = "pillion.test.Agent"


def _unary(request: bytes, context: grpc.ServicerContext) -> bytes:
    told = dict(context.invocation_metadata())
    context.send_initial_metadata((("x-initial", "yes"),))
    context.set_trailing_metadata((("x-trailing", "yes"), ("x-told", str(told.get("x-ask", "")))))
    return b"answer to " + request


def _fails(request: bytes, context: grpc.ServicerContext) -> bytes:
    context.set_trailing_metadata((("x-trailing", "yes"),))
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, request.decode())
    raise AssertionError


def _stream(request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
    context.set_trailing_metadata((("x-trailing", "yes"),))
    for number in range(int(request)):
        yield f"token {number}".encode()


def _talk(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
    for request in requests:
        yield b"heard " + request


def _sum(requests: Iterator[bytes], _: grpc.ServicerContext) -> bytes:
    return str(sum(len(request) for request in requests)).encode()


@contextmanager
def serving() -> Iterator[int]:
    """In plain text, on the port."""
    handlers = {
        "Unary": grpc.unary_unary_rpc_method_handler(_unary),
        "Fails": grpc.unary_unary_rpc_method_handler(_fails),
        "Stream": grpc.unary_stream_rpc_method_handler(_stream),
        "Talk": grpc.stream_stream_rpc_method_handler(_talk),
        "Sum": grpc.stream_unary_rpc_method_handler(_sum),
    }
    with ThreadPoolExecutor(4) as threads:
        server = grpc.server(threads)
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield port
        finally:
            server.stop(None).wait()


def method(name: str) -> str:
    return f"/{SERVICE}/{name}"
