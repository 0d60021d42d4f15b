"""What a file's bytes mean: where its lines end, where a long one may be cut, and what they say in UTF-8. Pure.

Names after unicode.encoding and generic.encoding of Fluent Bit (flb_unicode_generic_select_encoding_type). In all of
its multi-byte encodings a byte 0x0A is a line feed and nothing else, so lines are cut before they are decoded; only
UTF-16 needs its line feeds looked for at even places.
"""

from __future__ import annotations

import codecs

_GENERIC = {
    "shiftjis": "cp932", "sjis": "cp932", "uhc": "cp949", "gbk": "gbk", "gb18030": "gb18030", "big5": "big5",
    "win866": "cp866", "win874": "cp874", **{f"win{page}": f"cp{page}" for page in range(1250, 1257)},
    "cp866": "cp866", "cp874": "cp874", **{f"cp{page}": f"cp{page}" for page in range(1250, 1257)},
}  # fmt: skip
_UNICODE = {
    "utf-16le": "utf-16-le",
    "utf16-le": "utf-16-le",
    "utf-16be": "utf-16-be",
    "utf16-be": "utf-16-be",
}
_CONTINUATION = range(0x80, 0xC0)


class Encoding:
    """UTF-8, as it should be."""

    width = 1
    """Bytes of a line feed, and of the smallest unit."""

    def first_end(self, data: bytes, start: int) -> int:
        """The end of the line that `start` is in; 0 when it has none."""
        return data.find(b"\n", start) + 1

    def last_end(self, data: bytes, start: int, stop: int) -> int:
        """The end of the last line that ends in `data[start:stop]`; 0 when none does."""
        return data.rfind(b"\n", start, stop) + 1

    def boundary(self, data: bytes, start: int, stop: int) -> int:
        """Where to cut so that no character is: `stop`, or a little before it."""
        at = stop
        while at > max(start, stop - 3) and at < len(data) and data[at] in _CONTINUATION:
            at -= 1
        return stop if at < len(data) and data[at] in _CONTINUATION else at

    def decoded(self, data: bytes) -> bytes:
        """Whole lines, or a last line without its end, in UTF-8 as far as they are text."""
        return data

    def length(self, line: bytes) -> int:
        """How many bytes of the file `line`, as `decoded` gave it and without its end, came from."""
        return len(line)


class MarkedUtf8(Encoding):
    """UTF-8 with a byte order mark."""

    def decoded(self, data: bytes) -> bytes:
        return data.removeprefix(codecs.BOM_UTF8)


class Foreign(Encoding):
    """An encoding of Python's in which 0x0A is a line feed."""

    def __init__(self, codec: str) -> None:
        self._codec = codec

    def boundary(self, data: bytes, start: int, stop: int) -> int:
        decoder = codecs.getincrementaldecoder(self._codec)(errors="replace")
        decoder.decode(data[start:stop])
        unfinished = len(decoder.getstate()[0])
        return stop - unfinished if stop - unfinished > start else stop

    def decoded(self, data: bytes) -> bytes:
        return data.decode(self._codec, errors="replace").encode(errors="replace")

    def length(self, line: bytes) -> int:
        return len(line.decode().encode(self._codec, errors="replace"))


class Utf16(Foreign):
    width = 2

    def __init__(self, codec: str) -> None:
        super().__init__(codec)
        self._feed = "\n".encode(codec)

    def first_end(self, data: bytes, start: int) -> int:
        at = data.find(self._feed, start)
        while at % 2 == 1 and at >= 0:
            at = data.find(self._feed, at + 1)
        return at + 2 if at >= 0 else 0

    def last_end(self, data: bytes, start: int, stop: int) -> int:
        at = data.rfind(self._feed, start, stop)
        while at % 2 == 1 and at >= 0:
            at = data.rfind(self._feed, start, at + 1)
        return at + 2 if at >= 0 else 0

    def decoded(self, data: bytes) -> bytes:
        return super().decoded(data).removeprefix(codecs.BOM_UTF8)


def is_known(unicode_name: str, generic_name: str) -> bool:
    """Whether these are values of `unicode.encoding` and `generic.encoding`."""
    unicode_known = not unicode_name or unicode_name.lower() in {"auto", *_UNICODE}
    return unicode_known and (not generic_name or generic_name.lower() in _GENERIC)


def encoding_of(unicode_name: str, generic_name: str, head: bytes) -> Encoding:
    """What a file that begins with `head` is written in. The names must be known."""
    if generic_name:
        return Foreign(_GENERIC[generic_name.lower()])
    match unicode_name.lower():
        case "":
            return Encoding()
        case "auto":
            return _guessed(head)
        case name:
            return Utf16(_UNICODE[name])


def _guessed(head: bytes) -> Encoding:
    """By the byte order mark, or by where the zeros of Latin letters are."""
    if head.startswith(codecs.BOM_UTF8):
        return MarkedUtf8()
    if head.startswith(codecs.BOM_UTF16_LE):
        return Utf16("utf-16-le")
    if head.startswith(codecs.BOM_UTF16_BE):
        return Utf16("utf-16-be")
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if odd > even and odd > len(head) // 4:
        return Utf16("utf-16-le")
    if even > odd and even > len(head) // 4:
        return Utf16("utf-16-be")
    return Encoding()
