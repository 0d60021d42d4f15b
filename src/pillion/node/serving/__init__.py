"""The kubelet's own server, without the server: logs, streams into containers, and what they use."""

from pillion.node.serving.podserver import PodServer

__all__ = ["PodServer"]
