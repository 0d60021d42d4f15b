"""The Envoy program: found, started, asked over its admin port, ended."""
