"""The Envoy program: found, started, asked over its admin port, ended.

- `program`: where it is.
- `keys`: private keys on their way to it.
- `launch`: how it is called, and the running process.
- `said`: its messages. Pure.
- `admin`: what it is asked.
- `updates`: what it says of the files it was given. Pure.
- `validation`: what it says of a configuration before it is used.
"""
