"""From the configuration to materials: what each is for, and one line for each fault."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from tests.unit.proxy.certificates.making import NOW, Sketch, ec_key, make, make_authority, write_key

from pillion.proxy.certificates.faults import CertificateError
from pillion.proxy.certificates.material import Material
from pillion.proxy.certificates.purpose import Purpose, purposes
from pillion.proxy.certificates.reading import read, read_all
from pillion.proxy.configuration.values import (
    Certificate,
    Configuration,
    Identity,
    Inbound,
    Match,
    Outbound,
    Route,
    StringMatch,
    Tls,
)

ROOT = make_authority("root")
LEAF = make(Sketch(), ROOT)


def entry(folder: Path, name: str = "agent") -> Certificate:
    return Certificate(
        name=name,
        chain=str(folder / "tls.crt"),
        key=str(folder / "tls.key"),
        bundle=str(folder / "ca.crt"),
        line=12,
    )


def fill(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "tls.crt").write_bytes(LEAF.pem)
    (folder / "tls.key").write_bytes(LEAF.key_pem)
    (folder / "ca.crt").write_bytes(ROOT.pem)
    return folder


def inbound(tls: Tls, hosts: tuple[str, ...] = ()) -> Inbound:
    route = Route(name="all", match=Match(hosts=hosts), to=8000)
    return Inbound(name="in", port=8443, tls=tls, certificate="agent", routes=(route,))


def outbound(tls: Tls) -> Outbound:
    return Outbound(name="out", port=9000, to=("b.example", 443), tls=tls, certificate="agent")


CERTIFICATE = Certificate(name="agent", chain="a", key="b", bundle="c")
PURPOSES: list[tuple[Inbound | Outbound | None, Purpose]] = [
    (None, Purpose()),
    (inbound(Tls.SIMPLE), Purpose(serves=True)),
    (inbound(Tls.MUTUAL), Purpose(serves=True, verifies=True)),
    (inbound(Tls.PERMISSIVE), Purpose(serves=True, verifies=True)),
    (outbound(Tls.NONE), Purpose()),
    (outbound(Tls.SIMPLE), Purpose(verifies=True)),
    (outbound(Tls.MUTUAL), Purpose(calls=True, verifies=True)),
    (inbound(Tls.SIMPLE, ("*", "A.example:8443")), Purpose(serves=True, hosts=("a.example",))),
]


@pytest.mark.parametrize(("user", "purpose"), PURPOSES)
def test_a_certificate_is_for_what_the_configuration_does_with_it(
    user: Inbound | Outbound | None, purpose: Purpose
) -> None:
    configuration = Configuration(
        file="proxy.yaml",
        certificates=(CERTIFICATE,),
        inbound=(user,) if isinstance(user, Inbound) else (),
        outbound=(user,) if isinstance(user, Outbound) else (),
    )
    assert list(purposes(configuration)) == [(CERTIFICATE, purpose)]


def test_all_uses_count_together() -> None:
    configuration = Configuration(
        file="proxy.yaml",
        certificates=(CERTIFICATE,),
        inbound=(inbound(Tls.SIMPLE),),
        outbound=(outbound(Tls.MUTUAL),),
    )
    assert list(purposes(configuration)) == [(CERTIFICATE, Purpose(serves=True, calls=True, verifies=True))]


def test_the_trust_domains_of_others_are_those_of_allow_and_expect() -> None:
    first = Identity(uri=StringMatch(prefix="spiffe://one.example/ns/"))
    second = Identity(uri=StringMatch(exact="spiffe://two.example/x"))
    named = Identity(dns=StringMatch(exact="b.example"))
    configuration = Configuration(
        file="proxy.yaml",
        certificates=(CERTIFICATE,),
        inbound=(msgspec.structs.replace(inbound(Tls.MUTUAL), allow=(first, named)),),
        outbound=(msgspec.structs.replace(outbound(Tls.MUTUAL), expect=(second, first)),),
    )
    ((_, purpose),) = purposes(configuration)
    assert purpose.peers == ("one.example", "two.example")


def test_an_error_has_one_line_for_each_fault_with_its_place(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / "tls.key").write_bytes(write_key(ec_key()))
    (tmp_path / "ca.crt").unlink()
    with pytest.raises(CertificateError) as caught:
        read(entry(tmp_path), NOW, file="etc/proxy.yaml")
    lines = str(caught.value).splitlines()
    assert [line.split(": ")[:3] for line in lines] == [
        ["etc/proxy.yaml:12", "certificates.agent", str(tmp_path / "ca.crt")],
        ["etc/proxy.yaml:12", "certificates.agent", str(tmp_path / "tls.key")],
    ]
    assert [str(fault.reason) for fault in caught.value.faults] == ["missing", "wrong_key"]


def test_each_entry_is_read_for_itself(tmp_path: Path) -> None:
    good, bad = fill(tmp_path / "good"), fill(tmp_path / "bad")
    (bad / "tls.crt").write_text("")
    configuration = Configuration(
        file="proxy.yaml",
        certificates=(entry(good), entry(bad, "bad"), entry(bad, "idle")),
        inbound=(
            inbound(Tls.MUTUAL),
            msgspec.structs.replace(inbound(Tls.SIMPLE), certificate="bad"),
        ),
    )
    found = read_all(configuration, NOW)
    agent, refused = found["agent"], found["bad"]
    assert isinstance(agent, Material)
    assert agent.key_pem.encode() == LEAF.key_pem
    assert isinstance(refused, CertificateError)
    assert [str(fault.reason) for fault in refused.faults] == ["empty"]
    assert found["idle"] == Material(name="idle"), "nobody needs it: it is not looked at"
