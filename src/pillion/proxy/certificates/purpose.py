"""What a configuration uses a certificate for, and so what it must be able to do. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from pillion.proxy.configuration.values import Certificate, Configuration, Inbound, Outbound, Tls


class Purpose(msgspec.Struct, frozen=True, kw_only=True):
    """All uses of one `certificates` entry together."""

    serves: bool = False
    """A listener shows it to who calls."""
    calls: bool = False
    """It is shown to servers that we call."""
    verifies: bool = False
    """The other side's certificate must come from its bundle."""
    hosts: tuple[str, ...] = ()
    """Names, of routes below its listeners, by which it is called: `host` or `*.host`."""
    peers: tuple[str, ...] = ()
    """Trust domains of those that its bundle must vouch for: of `allow` and `expect`."""

    @property
    def is_shown(self) -> bool:
        return self.serves or self.calls


def purposes(configuration: Configuration) -> Iterator[tuple[Certificate, Purpose]]:
    """Each entry with its purpose; an entry that nobody names is used for nothing."""
    for certificate in configuration.certificates:
        inbound = [one for one in configuration.inbound if one.certificate == certificate.name]
        outbound = [one for one in configuration.outbound if one.certificate == certificate.name]
        yield (
            certificate,
            Purpose(
                serves=any(one.tls is not Tls.NONE for one in inbound),
                calls=any(one.tls is Tls.MUTUAL for one in outbound),
                verifies=any(one.tls in (Tls.MUTUAL, Tls.PERMISSIVE) for one in inbound)
                or any(one.tls is not Tls.NONE for one in outbound),
                hosts=tuple(dict.fromkeys(_hosts(inbound))),
                peers=tuple(dict.fromkeys(_trust_domains(inbound, outbound))),
            ),
        )


def _hosts(inbound: Iterable[Inbound]) -> Iterator[str]:
    for listener in inbound:
        for route in listener.routes:
            for host in route.match.hosts:
                name = host.partition(":")[0].lower()
                if name and name != "*":
                    yield name


def _trust_domains(inbound: Iterable[Inbound], outbound: Iterable[Outbound]) -> Iterator[str]:
    identities = [identity for one in inbound for identity in one.allow]
    identities += [identity for one in inbound for route in one.routes for identity in route.allow]
    identities += [identity for one in outbound for identity in one.expect]
    for identity in identities:
        text = (identity.uri.exact or identity.uri.prefix or "") if identity.uri is not None else ""
        if text.startswith("spiffe://"):
            yield text.removeprefix("spiffe://").partition("/")[0]
