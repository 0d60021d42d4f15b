"""Asks a container how it is, once: exec, HTTP GET, TCP connect or the gRPC health check.

It does not know when to ask, how often, or what follows from the answer: that is `pillion.lifecycle`.
"""

from pillion.node.probers.prober import Prober, ProbeResult, ProbeTarget

__all__ = ["ProbeResult", "ProbeTarget", "Prober"]
