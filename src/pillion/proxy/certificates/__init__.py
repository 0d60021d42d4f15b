"""Certificates that are given: read from mounted volumes, checked, and read again when they change."""
