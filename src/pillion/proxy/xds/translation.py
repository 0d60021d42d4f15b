"""Configuration and certificates in, all that Envoy is told out. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from pillion.errors import ManifestError
from pillion.proxy.certificates.material import Material
from pillion.proxy.configuration.values import Configuration
from pillion.proxy.xds.clusters import clusters
from pillion.proxy.xds.listeners import listeners
from pillion.proxy.xds.names import inbound_name, outbound_name
from pillion.proxy.xds.routes import inbound_routes, outbound_routes
from pillion.proxy.xds.snapshot import Snapshot
from pillion.proxy.xds.tls import needed_secrets, secrets


def snapshot(configuration: Configuration, materials: Mapping[str, Material]) -> Snapshot:
    """Everything of one moment. Raises ManifestError when a certificate or bundle that is asked for is not there:
    without its bundle Envoy would let in whoever shows any certificate."""
    given = secrets(materials)
    needed = needed_secrets(configuration.inbound, configuration.outbound)
    if missing := sorted(needed - given.keys()):
        raise ManifestError("\n".join(_missing(configuration, name) for name in missing))
    routes = {
        inbound_name(inbound): inbound_routes(inbound, configuration.tracing)
        for inbound in configuration.inbound
    }
    routes |= {
        outbound_name(outbound): outbound_routes(outbound, configuration.tracing)
        for outbound in configuration.outbound
    }
    return Snapshot(
        listeners=listeners(configuration),
        routes=routes,
        clusters=clusters(configuration),
        secrets={name: given[name] for name in sorted(needed)},
    )


def _missing(configuration: Configuration, secret: str) -> str:
    name, _, part = secret.rpartition(".")
    line = next((one.line for one in configuration.certificates if one.name == name), 0)
    place = f"{configuration.file}:{line}: certificates.{name}"
    return f"{place}: there is no {part}, and a listener or an outbound asks for it"
