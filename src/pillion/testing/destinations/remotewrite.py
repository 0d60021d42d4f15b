"""A remote write receiver that is stricter than the specifications: what breaks a rule is a problem, and a 400.

Both protocols; the faults of `HttpPeer.plan`; and, with `speaks`, receivers that do not know 2.0.
"""

from __future__ import annotations

import struct
from collections import Counter
from enum import Enum
from typing import TYPE_CHECKING, Any

import msgspec

from pillion.testing.destinations.peer import HttpPeer, Received, Reply

if TYPE_CHECKING:
    import ssl

Labels = tuple[tuple[str, str], ...]

V1_TYPE = "application/x-protobuf"
V2_TYPE = "application/x-protobuf;proto=io.prometheus.write.v2.Request"
STALE_BITS = 0x7FF0000000000002
NAN_BITS = 0x7FF8000000000001


class Speaks(Enum):
    BOTH = "both"
    V1_415 = "1.0, and answers 415 to 2.0"
    V1_400 = "1.0, and answers 400 to 2.0"
    V1_BLIND = "1.0, and takes 2.0 for an empty request"


class Point(msgspec.Struct, frozen=True):
    time: int
    bits: int
    start: int = 0

    @property
    def value(self) -> float:
        found: float = struct.unpack("<d", struct.pack("<Q", self.bits))[0]
        return found


class Exemplar(msgspec.Struct, frozen=True):
    labels: Labels
    value: float
    time: int


class Meta(msgspec.Struct, frozen=True):
    type: int
    help: str
    unit: str


class ProblemError(ValueError):
    """A rule of the protocol that a request breaks."""


class _Series(msgspec.Struct, kw_only=True):
    labels: Labels
    points: list[Point]
    exemplars: list[Exemplar]
    meta: Meta | None = None


class RemoteWriteServer(HttpPeer):
    """`repeats`: what is sent once more (after a lost answer, or a crash) is no problem if it is the same."""

    def __init__(
        self, *, speaks: Speaks = Speaks.BOTH, repeats: bool = False, tls: ssl.SSLContext | None = None
    ) -> None:
        super().__init__(tls=tls)
        self.speaks = speaks
        self.repeats = repeats
        self.series: dict[Labels, list[Point]] = {}
        self.exemplars: dict[Labels, list[Exemplar]] = {}
        self.metadata: dict[str, Meta] = {}
        """By family (1.0) or series' name (2.0)."""
        self.problems: list[str] = []
        self.protocols: Counter[str] = Counter()
        """Requests that were taken, by Content-Type."""
        self.request_samples: list[int] = []
        self.repeated = 0

    @property
    def samples(self) -> int:
        return sum(len(points) for points in self.series.values())

    def points(self, name: str) -> list[Point]:
        """Of the only series with that name."""
        [found] = [points for labels, points in self.series.items() if dict(labels).get("__name__") == name]
        return found

    def answer(self, request: Received) -> Reply:
        content_type = request.headers.get("content-type", "")
        if content_type == V2_TYPE and self.speaks is not Speaks.BOTH:
            status = {Speaks.V1_415: 415, Speaks.V1_400: 400}.get(self.speaks, 204)
            return Reply(status=status, body=b"" if status == 204 else b"what is that?")
        try:
            _check_headers(request, content_type)
            found = _decoded(request.body, content_type, self.metadata)
            samples = sum(self._take(one) for one in found)
        except ProblemError as error:
            self.problems.append(str(error))
            return Reply(status=400, body=str(error).encode())
        self.protocols[content_type] += 1
        self.request_samples.append(sum(len(one.points) for one in found))
        exemplars = sum(len(one.exemplars) for one in found)
        if content_type == V1_TYPE:
            return Reply(status=204)
        counts = {"Samples": samples, "Histograms": 0, "Exemplars": exemplars}
        headers = tuple((f"X-Prometheus-Remote-Write-{n}-Written", str(c)) for n, c in counts.items())
        return Reply(status=204, headers=headers)

    def _take(self, one: _Series) -> int:
        known = self.series.setdefault(one.labels, [])
        for point in one.points:
            if known and point.time <= known[-1].time:
                if self.repeats and point in known:
                    self.repeated += 1
                    continue
                raise ProblemError(f"{one.labels}: {point.time} after {known[-1].time}")
            known.append(point)
        if one.exemplars:
            self.exemplars.setdefault(one.labels, []).extend(one.exemplars)
        if one.meta is not None:
            self.metadata[dict(one.labels)["__name__"]] = one.meta
        return len(one.points)


def _check_headers(request: Received, content_type: str) -> None:
    versions = {V1_TYPE: "0.1.0", V2_TYPE: "2.0.0"}
    if content_type not in versions:
        raise ProblemError(f"Content-Type: {content_type}")
    wanted = {
        "content-encoding": "snappy",
        "x-prometheus-remote-write-version": versions[content_type],
    }
    for name, value in wanted.items():
        if request.headers.get(name) != value:
            raise ProblemError(f"{name}: {request.headers.get(name)}")
    if request.method != "POST":
        raise ProblemError(f"method: {request.method}")
    if not request.headers.get("user-agent"):
        raise ProblemError("no User-Agent")


def _decoded(body: bytes, content_type: str, metadata: dict[str, Meta]) -> list[_Series]:
    """Of the body as the peer has unpacked it."""
    from pillion.testing.destinations.writeprotocol import REQUEST, WRITE_REQUEST

    if content_type == V2_TYPE:
        return _series_v2(_parsed(REQUEST, body))
    request = _parsed(WRITE_REQUEST, body)
    for meta in request.metadata:
        metadata[meta.metric_family_name] = Meta(meta.type, meta.help, meta.unit)
    return [
        _checked(
            [(label.name, label.value) for label in one.labels],
            [_point(sample) for sample in one.samples],
            [
                Exemplar(tuple((label.name, label.value) for label in e.labels), e.value, e.timestamp)
                for e in one.exemplars
            ],
            None,
        )
        for one in request.timeseries
    ]


def _parsed(kind: Any, body: bytes) -> Any:
    from google.protobuf.message import DecodeError
    from google.protobuf.unknown_fields import UnknownFieldSet

    try:
        found = kind.FromString(body)
    except DecodeError as error:
        raise ProblemError(f"not a {kind.DESCRIPTOR.full_name}: {error}") from error
    if len(UnknownFieldSet(found)):
        raise ProblemError(f"unknown fields in {kind.DESCRIPTOR.full_name}")
    return found


def _series_v2(request: Any) -> list[_Series]:
    symbols = list(request.symbols)
    if not symbols or symbols[0]:
        raise ProblemError("symbols must begin with the empty one")
    if len(set(symbols)) != len(symbols):
        raise ProblemError("symbols are repeated")
    used = {0}

    def text(reference: int) -> str:
        if reference >= len(symbols):
            raise ProblemError(f"reference {reference} of {len(symbols)} symbols")
        used.add(reference)
        return str(symbols[reference])

    def labels(references: Any) -> list[tuple[str, str]]:
        if len(references) % 2:
            raise ProblemError("an odd number of references")
        parts = [text(reference) for reference in references]
        return list(zip(parts[::2], parts[1::2], strict=True))

    found = []
    for one in request.timeseries:
        exemplars = [Exemplar(tuple(labels(e.labels_refs)), e.value, e.timestamp) for e in one.exemplars]
        if any(not e.time for e in exemplars):
            raise ProblemError("an exemplar without a timestamp")
        meta = Meta(one.metadata.type, text(one.metadata.help_ref), text(one.metadata.unit_ref))
        points = [_point(sample) for sample in one.samples]
        if not points:
            raise ProblemError("a series without samples")
        found.append(_checked(labels(one.labels_refs), points, exemplars, meta))
    if used != set(range(len(symbols))):
        raise ProblemError("symbols that nobody refers to")
    return found


def _point(sample: Any) -> Point:
    [bits] = struct.unpack("<Q", struct.pack("<d", sample.value))
    return Point(sample.timestamp, bits, getattr(sample, "start_timestamp", 0))


def _checked(
    labels: list[tuple[str, str]], points: list[Point], exemplars: list[Exemplar], meta: Meta | None
) -> _Series:
    names = [name for name, _ in labels]
    if names != sorted(set(names), key=str.encode):
        raise ProblemError(f"labels are not sorted, or not unique: {names}")
    if not all(name and value for name, value in labels):
        raise ProblemError(f"an empty label: {labels}")
    if "__name__" not in names:
        raise ProblemError(f"no name: {labels}")
    for point in points:
        if point.value != point.value and point.bits not in (STALE_BITS, NAN_BITS):
            raise ProblemError(f"a NaN with the bits {point.bits:#x}")
    return _Series(labels=tuple(labels), points=points, exemplars=exemplars, meta=meta)
