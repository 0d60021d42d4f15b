"""One consistent set of what Envoy is told. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

Resource = dict[str, Any]
"""An Envoy message as JSON."""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Resources by their names, as Envoy's xDS v3 has them."""

    listeners: dict[str, Resource]
    routes: dict[str, Resource]
    """RouteConfigurations, apart from the listeners: a new route closes no connection."""
    clusters: dict[str, Resource]
    secrets: dict[str, Resource]
    """Certificates and validation contexts, apart from both: a new certificate closes no connection."""
