"""A destination of remote write (config/config.go, RemoteWriteConfig)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar

from pillion.scraper.configuration.failure import Place
from pillion.scraper.configuration.httpclient import RESERVED_HEADERS, HttpClient
from pillion.scraper.configuration.schema import INLINE, NoNulls, Section
from pillion.scraper.configuration.values import Milliseconds, Url
from pillion.scraper.labels import RelabelConfig

WRITE_V1 = "prometheus.WriteRequest"
WRITE_V2 = "io.prometheus.write.v2.Request"

_NO_CLOUD = "not supported here: use basic_auth, authorization or oauth2"
_SETTABLE_ELSEWHERE = "x-prometheus-scrape-timeout-seconds"
"""The one header that http_headers reserves and a destination's headers do not (config/config.go, reservedHeaders)."""


class QueueConfig(Section, frozen=True, kw_only=True):
    go_type: ClassVar[str] = "config.QueueConfig"

    capacity: int = 10_000
    """Samples per shard."""
    max_shards: int = 50
    min_shards: int = 1
    max_samples_per_send: int = 2000
    batch_send_deadline: Milliseconds = Milliseconds(5000)
    min_backoff: Milliseconds = Milliseconds(30)
    max_backoff: Milliseconds = Milliseconds(5000)
    retry_on_http_429: bool = False
    sample_age_limit: Milliseconds = Milliseconds(0)
    """0: none."""

    def problems(self) -> Iterator[tuple[str, str]]:
        """Prometheus takes these and stands still."""
        for key in ("capacity", "max_shards", "min_shards", "max_samples_per_send"):
            if getattr(self, key) < 1:
                yield key, f"{key} must be 1 or more"
        if 1 <= self.max_shards < self.min_shards:
            yield "min_shards", "max_shards must not be less than min_shards"


class MetadataConfig(Section, frozen=True, kw_only=True):
    go_type: ClassVar[str] = "config.MetadataConfig"

    send: bool = True
    send_interval: Milliseconds = Milliseconds(60_000)
    max_samples_per_send: int = 2000

    def problems(self) -> Iterator[tuple[str, str]]:
        if self.max_samples_per_send < 1:
            yield "max_samples_per_send", "max_samples_per_send must be 1 or more"
        if self.send and not self.send_interval:
            yield "send_interval", "send_interval must be longer than 0s"


class RemoteWriteConfig(Section, frozen=True, kw_only=True):
    go_type: ClassVar[str] = "config.RemoteWriteConfig"
    go_decoded: ClassVar[str] = "config.plain"
    refused: ClassVar[Mapping[str, str]] = dict.fromkeys(("sigv4", "azuread", "google_iam"), _NO_CLOUD)
    ineffective: ClassVar[Mapping[str, str]] = {
        "send_native_histograms": "",
        "round_robin_dns": "names are resolved by the system, at each new connection",
    }
    unwritten: ClassVar[frozenset[str]] = frozenset({"place"})

    url: Url = Url("")
    remote_timeout: Milliseconds = Milliseconds(30_000)
    headers: Mapping[str, str] = {}
    write_relabel_configs: Annotated[
        tuple[RelabelConfig, ...], NoNulls("empty or null relabeling rule in remote write config")
    ] = ()
    name: str = ""
    send_exemplars: bool = False
    protobuf_message: str = WRITE_V1
    http_client: Annotated[HttpClient, INLINE] = HttpClient(enable_http2=False)
    queue_config: QueueConfig = QueueConfig()
    metadata_config: MetadataConfig = MetadataConfig()
    place: Place = Place("")

    def problems(self) -> Iterator[tuple[str, str]]:
        if not self.url:
            yield "url", "url for remote_write is empty"
        yield from header_problems(self.headers)
        if self.protobuf_message not in (WRITE_V1, WRITE_V2):
            known = f"supported: {WRITE_V1}, {WRITE_V2}"
            text = f"unknown type for remote write protobuf message {self.protobuf_message}, {known}"
            yield "protobuf_message", f"invalid protobuf_message value: {text}"


def header_problems(headers: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name in headers:
        if name.lower() == "authorization":
            ways = "basic_auth, authorization, oauth2, sigv4, azuread or google_iam"
            yield "headers", f"authorization header must be changed via the {ways} parameter"
        elif name.lower() in RESERVED_HEADERS and name.lower() != _SETTABLE_ELSEWHERE:
            yield "headers", f"{name} is a reserved header. It must not be changed"
