"""The `es` output: Elasticsearch. Source: Fluent Bit's plugins/out_es (es_conf.c, es_conf_parse.c)."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Annotated

from pillion.collector.configuration.failure import ConfigurationError
from pillion.collector.configuration.settings import key
from pillion.collector.network.authorization import Basic, Token
from pillion.collector.network.endpoint import open_sender
from pillion.collector.network.httpoutput import HttpOutput
from pillion.collector.outputs.bulk import BulkDialect, BulkSettings
from pillion.collector.plugin import Output, OutputContext, OutputPlugin
from pillion.collector.records.accessor import parse_accessor
from pillion.collector.records.template import parse_template
from pillion.http.credentials import Secret, secret

if TYPE_CHECKING:
    from pathlib import Path

    from pillion.collector.network.authorization import Authorization

LIMIT_BYTES = 5 << 20
"""Of one request. The server's own limit is 100 MB, which is too much for its heap (http.max_content_length)."""


class ElasticsearchSettings(BulkSettings, frozen=True, kw_only=True):
    target_index: Annotated[
        str, key(help="the index, with record accessors; where a record lacks one of them, `index`")
    ] = ""
    cloud_id: Annotated[str, key(help="Elastic Cloud's name of the deployment")] = ""
    cloud_auth: Annotated[str, key(secret=True, help="USER:PASSWORD for it")] = ""
    http_api_key: Annotated[str, key(secret=True, help="an API key, in base 64")] = ""
    http_api_key_file: Annotated[str, key(help="a file with it, read again when it changes")] = ""


def dialect(settings: BulkSettings) -> BulkDialect:
    """Raises ConfigurationError for keys that do not go together."""
    if settings.write_operation in {"update", "upsert"} and not (settings.id_key or settings.generate_id):
        raise ConfigurationError(
            f"{settings.place}: write_operation: {settings.write_operation} needs id_key or generate_id"
        )
    prefix = settings.logstash_prefix_key
    by_record = settings.index_by_record and "$" in settings.index
    target = settings.target_index if isinstance(settings, ElasticsearchSettings) else ""
    try:
        return BulkDialect(
            settings=settings,
            path=settings.path.rstrip("/")
            + (f"/_bulk/?pipeline={settings.pipeline}" if settings.pipeline else "/_bulk"),
            id=parse_accessor(settings.id_key) if settings.id_key else None,
            prefix=parse_template(prefix if prefix.startswith("$") else f"${prefix}") if prefix else None,
            index=parse_template(settings.index) if by_record else None,
            target=parse_template(target) if target else None,
        )
    except ValueError as error:
        raise ConfigurationError(
            f"{settings.place}: id_key, logstash_prefix_key, index or target_index: {error}"
        ) from error


def build(settings: BulkSettings, context: OutputContext) -> Output:
    host, port = settings.host, settings.port
    if isinstance(settings, ElasticsearchSettings) and settings.cloud_id:
        host, port = cloud_address(settings.cloud_id, settings.place)
    origin = f"{'https' if settings.tls.on else 'http'}://{host}:{port}"
    sender = open_sender(
        context,
        place=settings.place,
        host=host,
        port=port,
        net=settings.net,
        tls=settings.tls,
        workers=settings.workers,
    )
    authorization = settings.aws.authorization(
        settings.aws_service_name, origin, settings.place
    ) or authorization_of(settings, context.folder)
    return HttpOutput(
        dialect(settings), sender, context.clock, authorization=authorization, limit_bytes=LIMIT_BYTES
    )


def authorization_of(settings: BulkSettings, folder: Path) -> Authorization | None:
    """In Fluent Bit's order: the user, the cloud's user, the API key."""
    own = settings.basic.authorization(folder)
    if own is not None or not isinstance(settings, ElasticsearchSettings):
        return own
    if settings.cloud_auth:
        user, _, password = settings.cloud_auth.partition(":")
        return Basic(user, Secret(password))
    if settings.http_api_key or settings.http_api_key_file:
        return Token(secret(settings.http_api_key, settings.http_api_key_file, folder), scheme="ApiKey")
    return None


def cloud_address(cloud_id: str, place: str) -> tuple[str, int]:
    """`NAME:BASE64`, which holds `REGION$ELASTICSEARCH[:PORT]$KIBANA`. Raises ConfigurationError."""
    try:
        decoded = base64.b64decode(cloud_id.partition(":")[2] + "==").decode()
        region, host = decoded.split("$")[:2]
        name, _, port = host.partition(":")
        domain, _, domain_port = region.partition(":")
        return f"{name}.{domain}", int(port or domain_port or 443)
    except (ValueError, binascii.Error) as error:
        raise ConfigurationError(f"{place}: cloud_id: it is not as Elastic Cloud shows it") from error


PLUGIN = OutputPlugin(name="es", settings=ElasticsearchSettings, build=build)
