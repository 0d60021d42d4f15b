"""Conversations over HTTP: logs, exec, attach, port-forward and proxy, as the API server and the kubelet carry them."""

from pillion.apiserver.streams.serving import serve_streams

__all__ = ["serve_streams"]
