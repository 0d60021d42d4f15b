"""Where targets come from, as it is configured: static groups, files, an HTTP server (discovery/*)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar

from pillion.scraper.configuration.httpclient import HttpClient
from pillion.scraper.configuration.schema import INLINE, FilePath, Section, words
from pillion.scraper.configuration.values import Milliseconds, url_host, url_scheme
from pillion.units import quote

_FILE_NAME = re.compile(r"[^*]*(\*[^/]*)?\.(json|yml|yaml|JSON|YML|YAML)")
_TARGET_LABELS = "model.LabelSet"


class TargetGroup(Section, frozen=True, kw_only=True):
    """Addresses with the labels that they have in common (discovery/targetgroup, Group)."""

    go_type: ClassVar[str] = "targetgroup.Group"
    go_decoded: ClassVar[str] = (
        'struct { Targets []string "yaml:\\"targets\\""; Labels model.LabelSet "yaml:\\"labels\\"" }'
    )
    unwritten: ClassVar[frozenset[str]] = frozenset({"source"})

    targets: tuple[str, ...] = ()
    labels: Annotated[Mapping[str, str], _TARGET_LABELS] = {}
    source: str = ""
    """Which group of where it came from: unique in its scrape."""

    def problems(self) -> Iterator[tuple[str, str]]:
        if "" in self.labels:
            yield "labels", '"" is not a valid label name'


class FileSdConfig(Section, frozen=True, kw_only=True):
    go_type: ClassVar[str] = "file.SDConfig"
    go_decoded: ClassVar[str] = "file.plain"

    files: tuple[FilePath, ...] = ()
    """Paths; the last part may have a `*`."""
    refresh_interval: Milliseconds = Milliseconds(300_000)

    def problems(self) -> Iterator[tuple[str, str]]:
        if not self.files:
            yield "files", "file service discovery config must contain at least one path name"
        for name in self.files:
            if _FILE_NAME.fullmatch(name) is None:
                yield "files", f"path name {quote(name)} is not valid for file discovery"


class HttpSdConfig(Section, frozen=True, kw_only=True):
    go_type: ClassVar[str] = "http.SDConfig"
    go_decoded: ClassVar[str] = "http.plain"

    http_client: Annotated[HttpClient, INLINE] = HttpClient()
    refresh_interval: Milliseconds = Milliseconds(60_000)
    url: str = ""

    def problems(self) -> Iterator[tuple[str, str]]:
        if not self.url:
            yield "url", "URL is missing"
        elif url_scheme(self.url) not in ("http", "https"):
            yield "url", "URL scheme must be 'http' or 'https'"
        elif not url_host(self.url):
            yield "url", "host is missing in URL"


FOREIGN_DISCOVERY = words(
    """
    aws azure consul digitalocean dns docker dockerswarm ec2 ecs eureka gce hetzner ionos kubernetes kuma lightsail
    linode marathon msk nerve nomad openstack outscale ovhcloud puppetdb rds scaleway serverset stackit triton uyuni
    vultr
    """
)
"""Prometheus' other mechanisms (its plugins.yml): a sidecar scrapes what is beside it."""
