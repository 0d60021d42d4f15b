"""What Envoy is told: configuration and certificates in, Envoy's resources out. Pure.

`snapshot(configuration, materials) -> Snapshot`, `files(snapshot, folder) -> dict[str, bytes]` (what lies in the folder
that Envoy watches: lds.json, cds.json, rds-NAME.json, sds-NAME.json) and `bootstrap(configuration, folder) -> bytes`.
"""
