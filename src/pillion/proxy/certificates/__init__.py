"""Certificates that are given: read from mounted volumes, checked, and read again when they change.

    proxy.yaml ─► purposes ─┐
    volumes ────► Contents ─┴─► check ─► Material, or faults with a remedy each

- `faults`, `purpose`, `contents`, `material`: values. Pure.
- `pem`, `description`: from bytes to values. Pure; they load `cryptography`, as do verdicts.
- `checking`: verdicts, with `naming` (whom a leaf is for), `trust` and `trustdomains` (whom a bundle vouches
  for). Pure.
- `files`: the files of one moment.
- `reading`: all of it.
"""
