"""Prometheus' configuration, with the place of everything that is wrong. Pure."""
