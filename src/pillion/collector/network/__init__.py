"""Connections of outputs and inputs: TLS contexts from settings, HTTP requests, credentials that are re-read."""
