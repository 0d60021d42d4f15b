"""The collector's own HTTP port: health, metrics, status, reload (Fluent Bit's paths where they exist)."""
