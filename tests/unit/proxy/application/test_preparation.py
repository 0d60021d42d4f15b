"""What keeps an update from being used, and what it leaves alone."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from pillion.errors import HostError, ManifestError
from pillion.proxy.application.preparation import (
    Prepared,
    check_access_log,
    load_configuration,
    prepare,
    restart_reasons,
    watched_paths,
)
from pillion.proxy.application.reloading import keep_served
from pillion.proxy.certificates.faults import CertificateError, Fault, Reason
from pillion.proxy.certificates.material import Material
from pillion.proxy.configuration.values import AccessLog, Certificate, Configuration, Ports, Tracing
from pillion.proxy.xds import Snapshot

CERTIFICATE = Certificate(
    name="agent", chain="/tls/tls.crt", key="/tls/tls.key", bundle="/tls/ca.crt", line=3
)
CONFIGURATION = Configuration(file="proxy.yaml", certificates=(CERTIFICATE,))
SERVED = Material(name="agent", chain_pem="served")
OLD = Prepared(
    configuration=CONFIGURATION,
    materials={"agent": SERVED},
    snapshot=Snapshot(listeners={}, routes={}, clusters={}, secrets={}),
)
BAD = CertificateError(
    "proxy.yaml:3",
    "agent",
    (
        Fault(reason=Reason.EXPIRED, path="/tls/tls.crt", text="it ended", remedy="renew it"),
        Fault(reason=Reason.WRONG_KEY, path="/tls/tls.key", text="it is another's", remedy="mount its own"),
    ),
)


def test_a_certificate_that_becomes_bad_leaves_the_served_one_in_place() -> None:
    assert keep_served({"agent": BAD}, OLD, CONFIGURATION) == ({"agent": SERVED}, {"agent": BAD})


def test_a_good_certificate_replaces_the_served_one() -> None:
    new = Material(name="agent", chain_pem="new")
    assert keep_served({"agent": new}, OLD, CONFIGURATION) == ({"agent": new}, {})


@pytest.mark.parametrize("change", [{"name": "other"}, {"chain": "/other/tls.crt"}])
def test_an_entry_that_is_new_or_moved_must_be_good(change: dict[str, str]) -> None:
    changed = msgspec.structs.replace(CERTIFICATE, **change)
    configuration = msgspec.structs.replace(CONFIGURATION, certificates=(changed,))
    found = {changed.name: BAD}
    assert keep_served(found, OLD, configuration) == (found, {})


def test_an_entry_that_moved_within_the_file_is_the_same() -> None:
    moved = msgspec.structs.replace(CERTIFICATE, line=30)
    configuration = msgspec.structs.replace(CONFIGURATION, certificates=(moved,))
    assert keep_served({"agent": BAD}, OLD, configuration)[0] == {"agent": SERVED}


def test_all_that_is_wrong_with_certificates_is_said_at_once() -> None:
    with pytest.raises(ManifestError) as raised:
        prepare(CONFIGURATION, {"agent": BAD})
    assert str(raised.value).splitlines() == [
        "proxy.yaml:3: certificates.agent: /tls/tls.crt: it ended; renew it",
        "proxy.yaml:3: certificates.agent: /tls/tls.key: it is another's; mount its own",
    ]


@pytest.mark.parametrize(
    ("change", "reasons"),
    [
        ({}, []),
        ({"drain": 5.0}, []),
        ({"ports": Ports(admin=1)}, ["ports.admin was 15000 and is 1"]),
        (
            {"ports": Ports(metrics=1, health=2)},
            ["ports.metrics was 15020 and is 1", "ports.health was 15021 and is 2"],
        ),
        ({"concurrency": 2}, ["concurrency was 1 and is 2"]),
        ({"tracing": Tracing(service="x")}, ["tracing.service was agent and is x"]),
    ],
)
def test_what_a_running_envoy_cannot_take_is_named(change: dict[str, object], reasons: list[str]) -> None:
    assert restart_reasons(CONFIGURATION, msgspec.structs.replace(CONFIGURATION, **change)) == reasons


def test_all_files_of_certificates_are_watched() -> None:
    assert watched_paths(CONFIGURATION) == ("/tls/tls.crt", "/tls/tls.key", "/tls/ca.crt")


def test_a_configuration_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(HostError, match=r"cannot read .*none.yaml: No such file or directory"):
        load_configuration(str(tmp_path / "none.yaml"))
    (tmp_path / "latin.yaml").write_bytes(b"inbound: \xe9")
    with pytest.raises(ManifestError, match=r"latin.yaml: it is not UTF-8 \(byte 9\)"):
        load_configuration(str(tmp_path / "latin.yaml"))


def test_an_access_log_needs_its_folder(tmp_path: Path) -> None:
    check_access_log(Configuration(file="f", access_log=AccessLog(path=str(tmp_path / "a.log"))))
    with pytest.raises(HostError, match=r"there is no folder .*/logs; mount the shared log volume there"):
        check_access_log(Configuration(file="f", access_log=AccessLog(path=str(tmp_path / "logs/a.log"))))
