"""What Envoy is started with: where to listen for its admin, which files to watch, what to count. Pure."""

from __future__ import annotations

from pillion.proxy.configuration.values import Configuration
from pillion.proxy.xds import overload
from pillion.proxy.xds.messages import address, extension, file_source
from pillion.proxy.xds.names import CLUSTERS_FILE, LISTENERS_FILE
from pillion.proxy.xds.placement import encode, in_folder, self_contained
from pillion.proxy.xds.snapshot import Resource, Snapshot
from pillion.proxy.xds.statistics import SETTINGS as STATISTICS
from pillion.proxy.xds.tracing import RUNTIME

MAX_REGEX_PROGRAM = 10_000
"""Instructions of a regular expression. Envoy's own bound, 100, guards a control plane from its tenants; the host names
of one route are beyond it (google_re2 of regex.proto, re2.max_program_size.error_level)."""

_DNS = extension(
    "envoy.network.dns_resolver.cares",
    "envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig",
    # No listener opens before each outbound's name has been asked for once. With c-ares' own 5 s and 4 tries a name
    # server that is away would keep the whole Pod from starting for minutes. Envoy itself asks again, a second later.
    query_timeout_seconds=1,
    query_tries=1,
)


def bootstrap(configuration: Configuration, folder: str, heap_bytes: int = 0) -> bytes:
    """For `envoy --config-path`: resources come from the files of `folder`. `heap_bytes`: Envoy's limit; 0: none."""
    made = _bootstrap(configuration)
    if heap_bytes:
        made["overload_manager"] = overload.within(made["overload_manager"], heap_bytes)
    made["dynamic_resources"] = {
        "lds_config": file_source(LISTENERS_FILE),
        "cds_config": file_source(CLUSTERS_FILE),
    }
    return encode(in_folder(made, folder))


def validation_bootstrap(configuration: Configuration, snapshot: Snapshot) -> bytes:
    """For `envoy --mode validate`, which looks at no file that is watched: everything in one, keys included."""
    made = _bootstrap(configuration)
    made["static_resources"] = {
        "listeners": [self_contained(one, snapshot) for one in snapshot.listeners.values()],
        "clusters": [self_contained(one, snapshot) for one in snapshot.clusters.values()],
        "secrets": [
            {key: value for key, value in one.items() if key != "@type"} for one in snapshot.secrets.values()
        ],
    }
    return encode(made)


def _bootstrap(configuration: Configuration) -> Resource:
    return {
        "node": {"id": "pillion-proxy", "cluster": configuration.tracing.service},
        "admin": {
            "address": address("127.0.0.1", configuration.ports.admin),
            "ignore_global_conn_limit": True,
        },
        "overload_manager": overload.connections(),
        "layered_runtime": {
            "layers": [
                {
                    "name": "pillion",
                    "static_layer": {
                        **RUNTIME,
                        "re2": {"max_program_size": {"error_level": MAX_REGEX_PROGRAM}},
                    },
                }
            ]
        },
        "typed_dns_resolver_config": _DNS,
        "stats_config": STATISTICS,
        # Only when somebody asks: nothing is pushed.
        "stats_flush_on_admin": True,
    }
