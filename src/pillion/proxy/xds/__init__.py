"""What Envoy is told: configuration and certificates in, Envoy's resources out. Pure.

`snapshot(configuration, materials) -> Snapshot`, `files(snapshot, folder) -> dict[str, bytes]` (what lies in the folder
that Envoy watches: sds-NAME.json, cds.json, rds-NAME.json, lds.json, to be written in this order),
`bootstrap(configuration, folder) -> bytes` and `validation_bootstrap(configuration, snapshot) -> bytes`, which is for
`envoy --mode validate`.
"""

from pillion.proxy.xds.placement import files
from pillion.proxy.xds.snapshot import Resource, Snapshot
from pillion.proxy.xds.startup import bootstrap, validation_bootstrap
from pillion.proxy.xds.translation import snapshot

__all__ = ["Resource", "Snapshot", "bootstrap", "files", "snapshot", "validation_bootstrap"]
