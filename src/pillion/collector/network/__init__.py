"""Connections of outputs and inputs: TLS contexts from settings, HTTP requests, credentials that are re-read.

Does not know what is sent: bodies are made, and answers judged, in `outputs`.
"""
