"""The `opensearch` output: `es` without Elastic's cloud and API keys. Source: Fluent Bit's plugins/out_opensearch."""

from __future__ import annotations

from typing import ClassVar

from pillion.collector.outputs.bulk import BulkSettings
from pillion.collector.outputs.elasticsearch import build
from pillion.collector.plugin import OutputPlugin


class OpensearchSettings(BulkSettings, frozen=True, kw_only=True):
    index_by_record: ClassVar[bool] = True


PLUGIN = OutputPlugin(name="opensearch", settings=OpensearchSettings, build=build)
