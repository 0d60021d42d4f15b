"""`pillion proxy --check` and `--show-envoy-config`: what would be served, and what is wrong with it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click
import msgspec

from pillion.errors import HostError, PillionError

if TYPE_CHECKING:
    from pillion.proxy.application.preparation import Prepared

EXIT_FAULTY = 1
"""The configuration cannot be used."""
HIDDEN_KEY = "(a private key)"


class _Certificate(msgspec.Struct, kw_only=True):
    name: str
    serial: str
    issuer: str
    not_after: str
    names: list[str]


class _Report(msgspec.Struct, kw_only=True):
    """What `-o json` prints."""

    file: str
    usable: bool
    errors: list[str] = []
    warnings: list[str] = []
    certificates: list[_Certificate] = []
    configuration: dict[str, Any] | None = None


def check(file: str, *, envoy: str, as_json: bool) -> int:
    """The exit status: 0 when the proxy could serve it. Ports are not looked at: the proxy itself may hold them."""
    warnings: list[str] = []
    try:
        prepared = asyncio.run(_prepare(file))
        warnings += prepared.configuration.warnings
        for material in prepared.materials.values():
            warnings += material.warnings
        warnings += asyncio.run(_ask_envoy(envoy, prepared))
    except PillionError as error:
        if as_json:
            _print(_Report(file=file, usable=False, errors=str(error).splitlines(), warnings=warnings))
        else:
            click.echo(str(error), err=True)
        return EXIT_FAULTY
    certificates = list(_certificates(prepared))
    if as_json:
        from pillion.proxy.configuration import render

        _print(
            _Report(
                file=file,
                usable=True,
                warnings=warnings,
                certificates=certificates,
                configuration=render(prepared.configuration),
            )
        )
        return 0
    for warning in warnings:
        click.echo(f"warning: {warning}", err=True)
    for certificate in certificates:
        names = ", ".join(certificate.names)
        click.echo(f"certificate {certificate.name}: {names}; valid until {certificate.not_after}")
    click.echo(_summary(prepared))
    return 0


def show(file: str) -> None:
    """Print the snapshot as JSON. Raises PillionError."""
    from pillion.proxy.application.delivery import with_keys_in

    snapshot = with_keys_in(asyncio.run(_prepare(file)).snapshot, lambda _name, _key: HIDDEN_KEY)
    click.echo(msgspec.json.format(msgspec.json.encode(snapshot), indent=2).decode())


async def _prepare(file: str) -> Prepared:
    from pillion.clock import LoopClock
    from pillion.proxy.application.preparation import check_access_log, load_configuration, prepare
    from pillion.proxy.certificates.reading import read_all

    configuration = load_configuration(file)
    check_access_log(configuration)
    return prepare(configuration, read_all(configuration, LoopClock().now()))


async def _ask_envoy(envoy: str, prepared: Prepared) -> list[str]:
    """Warnings. A machine that checks manifests need not have Envoy, unless one is named."""
    from pillion.proxy.application.delivery import ask_envoy
    from pillion.proxy.envoy.launch import Call
    from pillion.proxy.envoy.program import find_program

    try:
        program = find_program(envoy)
    except HostError as error:
        return [f"Envoy was not asked: {error}"]
    await ask_envoy(Call(program=program), prepared.configuration, prepared.snapshot)
    return []


def _certificates(prepared: Prepared) -> Iterator[_Certificate]:
    from datetime import UTC, datetime

    for name, material in prepared.materials.items():
        if (leaf := material.leaf) is not None:
            yield _Certificate(
                name=name,
                serial=leaf.serial,
                issuer=leaf.issuer,
                not_after=datetime.fromtimestamp(leaf.not_after, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                names=[*leaf.uris, *leaf.dns, *leaf.ips],
            )


def _summary(prepared: Prepared) -> str:
    configuration = prepared.configuration
    counts = (
        (len(configuration.inbound), "inbound"),
        (len(configuration.outbound), "outbound"),
        (len(prepared.materials), "certificate" if len(prepared.materials) == 1 else "certificates"),
    )
    parts = ", ".join(f"{count} {noun}" for count, noun in counts)
    return f"{configuration.file} can be used: {parts}"


def _print(report: _Report) -> None:
    click.echo(msgspec.json.encode(report).decode())
