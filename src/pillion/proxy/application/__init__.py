"""The proxy sidecar at work."""
