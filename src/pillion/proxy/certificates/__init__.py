"""Certificates that are given: read from mounted volumes, checked, and read again when they change.

    proxy.yaml ─► purposes ─┐
    volumes ────► Contents ─┴─► check ─► Material, or faults with a remedy each

- `faults`, `purpose`, `contents`, `material`: values. Pure.
- `pem`, `description`, `trustdomains`, `checking`: from bytes to values and verdicts. Pure; they load `cryptography`.
- `files`: the files of one moment.
- `reading`: all of it.
"""
