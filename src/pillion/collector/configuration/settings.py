"""How a plugin says which keys it takes: a frozen struct, one field per key, read by `convert`.

    class StdoutSettings(OutputSettings, frozen=True, kw_only=True):
        format: Annotated[Literal["json_lines", "json"], key(help="how records are written")] = "json_lines"
        json_date_key: Annotated[str, key()] = "date"

A field whose type is a struct is a group: the struct's keys are keys of the section itself (`net: NetSettings`).
Structs cannot inherit from two structs with fields, so what several plugins share is a group.

Fluent Bit's keys are case-insensitive; a field's key is its name unless `key(name=…)` says otherwise (`storage.type`).
A field without a default is required. Kinds follow from the annotation (`bool`, `int`, `float`, `str`, `Literal`)
unless `key(kind=…)` names one of those below. What keys say of each other is checked in `__post_init__`, which raises
ValueError("KEY: what is wrong").
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Annotated, ClassVar, Literal

import msgspec


class Kind(StrEnum):
    SIZE = "size"
    """`32k`, `5M`, `1G`: an `int` of bytes, powers of 1000, as flb_utils_size_to_bytes reads it. `false`: 0."""
    BINARY_SIZE = "binary size"
    """The few sizes that flb_utils_size_to_binary_bytes reads: powers of 1024."""
    SECONDS = "seconds"
    """`5`, `5s`, `2m`, `1h`, `1d`: a `float` of seconds, as flb_utils_time_to_seconds reads it."""
    LIST = "list"
    """`a, b,c` (or a YAML list): a `tuple[str, ...]`. Given several times (`repeated`), all of them in one tuple."""
    WORDS = "words"
    """`key the rest`: split at blanks into at most `words` parts (0: all of them), a `tuple[str, ...]`.

    `"…"` is one part, with `\\"` for a quote in it, as flb_slist_split_tokens reads it; the last part of `words` is the
    rest as it is written, unless all of it is one quoted part. `repeated`: a tuple of such tuples.
    """
    ENTRIES = "entries"
    """Several different keys whose common order matters (modify's `Set`, `Rename`, …): a `tuple[Entry, ...]`, their
    words split in the same way, in single quotes too (flb_utils_split_quoted)."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of an ENTRIES field."""

    key: str
    """In lower case, one of the field's `keys`."""
    words: tuple[str, ...]
    place: str
    """`FILE:LINE`, for the plugin's own complaints."""
    text: str = ""
    """The value as it is written, quotes and all: for keys that Fluent Bit splits without regard to them."""


class Differs(msgspec.Struct, frozen=True, kw_only=True):
    """A default that is not Fluent Bit's, for `--check`."""

    fluent_bit: str
    why: str
    when: str = ""
    """A field of the same struct without which it does not matter."""


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
    secret: bool = False,
) -> msgspec.Meta:
    """One key. `repeated`: it may be given several times, the field is a tuple of what one gives. `secret`: a
    credential, which no message may show."""
    extra = {
        "name": name, "kind": kind, "words": words, "keys": keys, "repeated": repeated, "aliases": aliases,
        "help": help, "differs": differs, "secret": secret,
    }  # fmt: skip
    return msgspec.Meta(extra=extra)


class Keys(msgspec.Struct, frozen=True, kw_only=True):
    """Fields that are keys of a section. Shows itself without its secrets."""

    def __init_subclass__(cls) -> None:
        # msgspec evaluates every annotation when it is asked for fields; those of class variables are none, and may
        # name what is imported for the type checker only.
        for name, annotation in dict(vars(cls).get("__annotations__", {})).items():
            if str(annotation).startswith("ClassVar"):
                del cls.__annotations__[name]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self._shown())})"

    def _shown(self) -> Iterator[str]:
        for field in msgspec.structs.fields(self):
            value = getattr(self, field.name)
            meta = getattr(field.type, "__metadata__", (None,))[0]
            hidden = (
                bool(value) and isinstance(meta, msgspec.Meta) and (meta.extra or {}).get("secret", False)
            )
            yield f"{field.name}={'***' if hidden else repr(value)}"


class Settings(Keys, frozen=True, kw_only=True):
    """What every plugin instance has.

    A class (a group's too) may name keys of Fluent Bit that are not fields, each with its reason; see `named`.
    """

    without_effect: ClassVar[Mapping[str, str]] = {
        "log_suppress_interval": "our messages are said once, when something begins and when it is over",
    }
    """Keys that are taken and do nothing here."""
    refused: ClassVar[Mapping[str, str]] = {}
    """Keys that are an error here: what to do instead."""
    behaves: ClassVar[Mapping[str, tuple[str, Differs]]] = {}
    """What works in another way and is no key's default, for `--check`: subject → (ours, Fluent Bit's and why)."""

    place: str = ""
    """`FILE:LINE` of the section; not a key."""
    alias: Annotated[str, key(help="the instance's name in messages and metrics")] = ""
    log_level: Annotated[str, key(help="off, error, warn, info, debug or trace")] = ""


def named(settings: type[msgspec.Struct], attribute: Literal["without_effect", "refused"]) -> dict[str, str]:
    """All of `without_effect` or `refused` of a class, of those that it extends and of its groups."""
    found: dict[str, str] = {}
    for part in reversed(settings.__mro__):
        found |= vars(part).get(attribute, {})
    for field in msgspec.structs.fields(settings):
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            found |= named(field.type, attribute)
    return found


class InputSettings(Settings, frozen=True, kw_only=True):
    without_effect: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(
            ("threaded", "thread.ring_buffer.capacity", "thread.ring_buffer.window"),
            "inputs share one loop, outputs have threads",
        ),
        "storage.pause_on_chunks_overlimit": "an input always waits when its share of the buffer is full",
    }

    tag: Annotated[
        str, key(help="the tag of its records; `*` stands for the path where the input has one")
    ] = ""
    mem_buf_limit: Annotated[
        int,
        key(
            kind=Kind.SIZE,
            help="most bytes on their way; the input waits beyond",
            differs=Differs(
                fluent_bit="no limit", why="an output that is down would fill the memory of the container"
            ),
        ),
    ] = 8_000_000
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
    storage_overflow: Annotated[
        Literal["block", "drop_oldest"],
        key(
            name="storage.overflow",
            help="at storage.total_limit_size: hold the inputs back, or drop the oldest records and count them",
            differs=Differs(
                fluent_bit="drop_oldest",
                why="records would be discarded while the files still have them",
                when="storage_total_limit_size",
            ),
        ),
    ] = "block"


class NetSettings(Keys, frozen=True, kw_only=True):
    """A group of outputs that connect somewhere. `host` and `port` are the plugin's own."""

    without_effect: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(
            ("net.dns.mode", "net.dns.resolver", "net.dns.prefer_ipv4", "net.dns.prefer_ipv6", "ipv6"),
            "names are resolved by the system; every address is tried",
        ),
        **dict.fromkeys(
            ("net.keepalive_max_recycle", "net.max_worker_connections", "net.keepalive_idle_timeout"),
            "each worker has one connection, and opens another when the other side has closed it",
        ),
        **dict.fromkeys(
            (
                "net.tcp_keepalive", "net.tcp_keepalive_time", "net.tcp_keepalive_interval",
                "net.tcp_keepalive_probes",
            ),
            "TCP keepalive is always on",
        ),
        "net.connect_timeout_log_error": "an output that cannot connect is always said",
    }  # fmt: skip

    connect_timeout: Annotated[float, key(name="net.connect_timeout", kind=Kind.SECONDS)] = 10.0
    io_timeout: Annotated[
        float,
        key(
            name="net.io_timeout",
            kind=Kind.SECONDS,
            help="how long the other side may be silent; 0: for ever",
            differs=Differs(
                fluent_bit="0s", why="a peer that is gone without a word would hold records for ever"
            ),
        ),
    ] = 30.0
    keepalive: Annotated[bool, key(name="net.keepalive")] = True
    source_address: Annotated[str, key(name="net.source_address", help="the address to connect from")] = ""
    proxy_env_ignore: Annotated[
        bool, key(name="net.proxy_env_ignore", help="do not look at HTTP_PROXY, HTTPS_PROXY and NO_PROXY")
    ] = False


class TlsSettings(Keys, frozen=True, kw_only=True):
    """A group of plugins that speak TLS; for outputs verification is on by default, as in Fluent Bit."""

    without_effect: ClassVar[Mapping[str, str]] = {
        "tls.debug": "TLS errors are always said in full",
        "tls.ciphers": "the system's policy chooses them",
        "tls.windows.certstore_name": "for Windows only",
        "tls.windows.use_enterprise_store": "for Windows only",
    }

    on: Annotated[bool, key(name="tls", help="speak TLS")] = False
    verify: Annotated[bool, key(name="tls.verify")] = True
    verify_hostname: Annotated[
        bool,
        key(
            name="tls.verify_hostname",
            differs=Differs(
                fluent_bit="off",
                why="any certificate of the same authority would pass for this host",
                when="on",
            ),
        ),
    ] = True
    ca_file: Annotated[str, key(name="tls.ca_file")] = ""
    ca_path: Annotated[str, key(name="tls.ca_path")] = ""
    crt_file: Annotated[str, key(name="tls.crt_file")] = ""
    key_file: Annotated[str, key(name="tls.key_file")] = ""
    key_passwd: Annotated[str, key(name="tls.key_passwd", secret=True)] = ""
    vhost: Annotated[str, key(name="tls.vhost")] = ""
    min_version: Annotated[str, key(name="tls.min_version", help="TLSv1.2 or TLSv1.3")] = ""
    max_version: Annotated[str, key(name="tls.max_version", help="TLSv1.2 or TLSv1.3")] = ""
