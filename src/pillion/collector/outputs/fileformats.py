"""What the file output writes for a chunk, in each of Fluent Bit's formats (plugins/out_file/file.c). Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pillion.collector.outputs.rendered import Rendered, joined
from pillion.collector.records import as_records, as_texts, notation

if TYPE_CHECKING:
    from pillion.collector.outputs.rendered import Render
    from pillion.collector.records import Content

_NANOS = 1_000_000_000
_DELIMITERS = {"\\t": "\t", "tab": "\t", "space": " ", "comma": ","}


def delimiter(text: str, default: str) -> str:
    """Of the words that check_delimiter knows; anything else is passed over, as Fluent Bit does."""
    return _DELIMITERS.get(text.lower(), default)


def is_delimiter(text: str) -> bool:
    return not text or text.lower() in _DELIMITERS


def render_tagged(tag: str, content: Content) -> Rendered:
    """`TAG: [SECONDS.NANOS, {"key": …}]`: the format without a name, `out_file`."""
    texts = as_texts(content)
    if isinstance(texts.times, int):
        head = _tagged_head(tag, texts.times)
        between = texts.data.replace(b"\n", b"]\n" + head)
        return Rendered(data=head + between[: -len(head)] if between else b"")
    lines = texts.data.split(b"\n")
    return Rendered(
        data=b"".join(
            [b"%b%b]\n" % (_tagged_head(tag, at), line) for at, line in zip(texts.times, lines, strict=False)]
        )
    )


def render_plain(tag: str, content: Content) -> Rendered:  # noqa: ARG001 - the signature of all formats
    """Each record's JSON, nothing else."""
    return Rendered(data=as_texts(content).data)


def csv(delimiter: str) -> Render:
    """The time and the values, in the order of their keys in the record. A record without keys is not written."""

    def render(tag: str, content: Content) -> Rendered:  # noqa: ARG001 - the signature of all formats
        found = as_records(content)
        return joined(
            [
                delimiter.join([_seconds_and_nanos(at), *map(notation, body.values())]) + "\n" if body else ""
                for at, body in zip(found.times, found.bodies, strict=True)
            ]
        )

    return render


def csv_columns(content: Content, delimiter: str) -> bytes:
    """The line with the names of the first record that has any."""
    for body in as_records(content).bodies:
        if body:
            return (delimiter.join(["timestamp", *map(notation, body)]) + "\n").encode("utf-8", "replace")
    return b""


def ltsv(delimiter: str, label_delimiter: str) -> Render:
    """`"time":1700000000.123456<TAB>"key":"value"`."""

    def render(tag: str, content: Content) -> Rendered:  # noqa: ARG001 - the signature of all formats
        found = as_records(content)
        return joined(
            [
                delimiter.join(
                    [
                        f'"time"{label_delimiter}{_as_double(at):f}',
                        *[
                            f"{notation(name)}{label_delimiter}{notation(value)}"
                            for name, value in body.items()
                        ],
                    ]
                )
                + "\n"
                if body
                else ""
                for at, body in zip(found.times, found.bodies, strict=True)
            ]
        )

    return render


def template(text: str) -> Render:
    """`{time} {message}`: names in braces stand for the record's values; what it does not have stays as it is."""
    pieces = _template_pieces(text)

    def render(tag: str, content: Content) -> Rendered:  # noqa: ARG001 - the signature of all formats
        found = as_records(content)
        return joined(
            [
                "".join([piece if not name else _filled(piece, at, body) for piece, name in pieces]) + "\n"
                for at, body in zip(found.times, found.bodies, strict=True)
            ]
        )

    return render


_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


def _template_pieces(text: str) -> list[tuple[str, bool]]:
    """(text, is a placeholder). An open brace that is not closed before the next one is plain text."""
    pieces: list[tuple[str, bool]] = []
    end = 0
    for match in _PLACEHOLDER.finditer(text):
        pieces += [(text[end : match.start()], False), (match[0], True)]
        end = match.end()
    return [piece for piece in [*pieces, (text[end:], False)] if piece[0]]


def _filled(placeholder: str, at: int, body: dict[str, Any]) -> str:
    name = placeholder[1:-1]
    # template_output_write compares as many characters as the name has: `{t}` is the time, and so is `{}`.
    if "time".startswith(name):
        return f"{_as_double(at):f}"
    if name not in body:
        return placeholder
    value = body[name]
    return value if isinstance(value, str) else notation(value)


def _tagged_head(tag: str, at: int) -> bytes:
    return f"{tag}: [{_seconds_and_nanos(at)}, ".encode()


def _seconds_and_nanos(at: int) -> str:
    seconds, nanos = divmod(at, _NANOS)
    return f"{seconds}.{nanos:09d}"


def _as_double(at: int) -> float:
    """flb_time_to_double."""
    seconds, nanos = divmod(at, _NANOS)
    return seconds + nanos / 1e9


_SAFE = re.compile(r"[^A-Za-z0-9_.-]", re.ASCII)


def file_name(tag: str) -> str:
    """A relative path made of a tag that stays below its folder (sanitize_tag_name)."""
    parts = [part for part in re.split(r"[/\\]+", tag) if part]
    return "/".join("_" if part in (".", "..") else _safe(part) for part in parts) or "_"


def _safe(part: str) -> str:
    """One `_` for each byte that may not be there, as C counts them."""
    return _SAFE.sub("_", part.encode("utf-8", "replace").decode("latin-1"))
