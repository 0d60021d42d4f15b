"""How a plugin says which keys it takes: a frozen struct, one field per key, read by `convert`.

    class StdoutSettings(OutputSettings, frozen=True, kw_only=True):
        format: Annotated[Literal["json_lines", "json"], key(help="how records are written")] = "json_lines"
        json_date_key: Annotated[str, key()] = "date"

Fluent Bit's keys are case-insensitive; a field's key is its name unless `key(name=…)` says otherwise (`storage.type`).
A field without a default is required. Kinds follow from the annotation (`bool`, `int`, `float`, `str`, `Literal`)
unless `key(kind=…)` names one of those below.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

import msgspec


class Kind(StrEnum):
    SIZE = "size"
    """`32k`, `5M`, `1G`: an `int` of bytes, as flb_utils_size_to_bytes reads it."""
    SECONDS = "seconds"
    """`5`, `5s`, `2m`, `1h`, `1d`: a `float` of seconds, as flb_utils_time_to_seconds reads it."""
    LIST = "list"
    """`a, b,c` (or a YAML list): a `tuple[str, ...]`."""
    WORDS = "words"
    """`key the rest`: split at white space into at most `words` parts, quotes kept together: a `tuple[str, ...]`."""
    ENTRIES = "entries"
    """Several different keys whose common order matters (modify's `Set`, `Rename`, …): a `tuple[Entry, ...]`."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of an ENTRIES field."""

    key: str
    """In lower case, one of the field's `keys`."""
    words: tuple[str, ...]
    place: str
    """`FILE:LINE`, for the plugin's own complaints."""


class Differs(msgspec.Struct, frozen=True, kw_only=True):
    """A default that is not Fluent Bit's, for `--check`."""

    fluent_bit: str
    why: str


def key(
    *,
    name: str = "",
    kind: Kind | None = None,
    words: int = 0,
    keys: tuple[str, ...] = (),
    repeated: bool = False,
    aliases: tuple[str, ...] = (),
    help: str = "",  # noqa: A002 - what it is called everywhere else
    differs: Differs | None = None,
) -> msgspec.Meta:
    """One key. `repeated`: it may be given several times, the field is a tuple of what one gives."""
    extra = {
        "name": name, "kind": kind, "words": words, "keys": keys, "repeated": repeated, "aliases": aliases,
        "help": help, "differs": differs,
    }  # fmt: skip
    return msgspec.Meta(extra=extra)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What every plugin instance has. `without_effect` names keys of Fluent Bit that are taken and do nothing here."""

    place: str = ""
    """`FILE:LINE` of the section; not a key."""
    alias: Annotated[str, key(help="the instance's name in messages and metrics")] = ""
    log_level: Annotated[str, key(help="off, error, warn, info, debug or trace")] = ""


class InputSettings(Settings, frozen=True, kw_only=True):
    tag: Annotated[
        str, key(help="the tag of its records; `*` stands for the path where the input has one")
    ] = ""
    mem_buf_limit: Annotated[
        int, key(kind=Kind.SIZE, help="most bytes on their way; the input waits beyond")
    ] = 8 << 20
    storage_type: Annotated[
        Literal["memory", "filesystem"], key(name="storage.type", help="where records wait for their outputs")
    ] = "memory"


class FilterSettings(Settings, frozen=True, kw_only=True):
    match: Annotated[str, key(help="tags it works on; `*` matches any characters")] = ""
    match_regex: Annotated[str, key(help="tags it works on, as a regular expression")] = ""


class OutputSettings(Settings, frozen=True, kw_only=True):
    match: Annotated[str, key(help="tags it takes; `*` matches any characters")] = ""
    match_regex: Annotated[str, key(help="tags it takes, as a regular expression")] = ""
    retry_limit: Annotated[
        str,
        key(
            help="retries before records become dead letters: a number, no_limits, or no_retries",
            differs=Differs(fluent_bit="1", why="one failed retry would discard the records"),
        ),
    ] = "no_limits"
    workers: Annotated[int, key(help="deliveries at the same time; more than one gives up their order")] = 1
    storage_total_limit_size: Annotated[
        int,
        key(
            name="storage.total_limit_size",
            kind=Kind.SIZE,
            help="most bytes on disk for this output; 0: no limit",
        ),
    ] = 0


class NetSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Mixed into outputs that connect somewhere. `host` and `port` are the plugin's own."""

    net_connect_timeout: Annotated[float, key(name="net.connect_timeout", kind=Kind.SECONDS)] = 10.0
    net_io_timeout: Annotated[float, key(name="net.io_timeout", kind=Kind.SECONDS)] = 30.0
    net_keepalive: Annotated[bool, key(name="net.keepalive")] = True


class TlsSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Mixed into plugins that speak TLS; for outputs verification is on by default, as in Fluent Bit."""

    tls: Annotated[bool, key(help="speak TLS")] = False
    tls_verify: Annotated[bool, key(name="tls.verify")] = True
    tls_verify_hostname: Annotated[bool, key(name="tls.verify_hostname")] = True
    tls_ca_file: Annotated[str, key(name="tls.ca_file")] = ""
    tls_ca_path: Annotated[str, key(name="tls.ca_path")] = ""
    tls_crt_file: Annotated[str, key(name="tls.crt_file")] = ""
    tls_key_file: Annotated[str, key(name="tls.key_file")] = ""
    tls_key_passwd: Annotated[str, key(name="tls.key_passwd")] = ""
    tls_vhost: Annotated[str, key(name="tls.vhost")] = ""
