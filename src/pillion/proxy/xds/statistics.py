"""Which of Envoy's statistics are kept, and how Prometheus calls them. Pure."""

from __future__ import annotations

from pillion.proxy.xds.snapshot import Resource

SETTINGS: Resource = {}
