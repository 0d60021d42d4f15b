"""What things are called in Envoy: in its admin answers, its statistics and the files it watches. Pure.

The supervisor finds a listener's or a cluster's figures by these names, so they are made in one place.
"""

from __future__ import annotations

from pillion.proxy.configuration.values import Inbound, Outbound

TRACE_COLLECTOR = "trace-collector"
"""The cluster that spans are sent to."""


def inbound_name(inbound: Inbound) -> str:
    """Of the listener and of its RouteConfiguration."""
    return f"inbound-{inbound.name}"


def outbound_name(outbound: Outbound) -> str:
    """Of the listener, its RouteConfiguration and its cluster."""
    return f"outbound-{outbound.name}"


def local_cluster(port: int, protocol: str) -> str:
    """The cluster of a port of this Pod. One port may be spoken to in two protocols."""
    return f"local-{port}" if protocol == "http1" else f"local-{port}-{protocol}"


def certificate_secret(certificate: str) -> str:
    """The chain and key of a `certificates` entry."""
    return f"{certificate}.certificate"


def bundle_secret(certificate: str) -> str:
    """The authorities of a `certificates` entry."""
    return f"{certificate}.bundle"


LISTENERS_FILE, CLUSTERS_FILE = "lds.json", "cds.json"


def routes_file(name: str) -> str:
    return f"rds-{name}.json"


def secret_file(name: str) -> str:
    return f"sds-{name}.json"
