"""`pillion authority` from init to rotate: what it prints, what it writes, what it refuses."""

from __future__ import annotations

import base64
import stat
import subprocess
from pathlib import Path

import msgspec
import pytest
import yaml
from click.testing import CliRunner, Result
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from pillion.cli import pillion
from pillion.errors import PillionError
from pillion.proxy.authority import generate_key


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PILLION_AUTHORITY", str(tmp_path / "authority"))
    return tmp_path


def run(*arguments: str | Path, input: str = "") -> Result:  # noqa: A002 - click's own word
    return CliRunner().invoke(pillion, ["authority", *map(str, arguments)], input=input)


def said(*arguments: str | Path, input: str = "") -> str:  # noqa: A002
    result = run(*arguments, input=input)
    assert result.exit_code == 0, result.exception or result.output
    return result.output


def refused(*arguments: str | Path) -> str:
    error = run(*arguments).exception
    assert isinstance(error, PillionError), error
    return str(error)


def request() -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return builder.sign(generate_key(), hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def test_an_authority_is_made_once(folder: Path) -> None:
    first = said("init", "--trust-domain", "shop.example")
    assert "trust domain shop.example" in first
    assert [line.split()[0] for line in first.splitlines()[2:]] == ["ROLE", "root", "intermediate"]
    assert said("init", "--trust-domain", "shop.example") == said("show") == first
    assert "not other.example" in refused("init", "--trust-domain", "other.example")


def test_a_certificate_has_the_layout_that_proxies_expect(folder: Path) -> None:
    said("init")
    text = said("issue", "agent", "--dns", "agent.default.svc", "--ip", "127.0.0.1", "--hours", "1")
    assert "spiffe://cluster.local/ns/default/sa/agent, agent.default.svc, 127.0.0.1" in text
    files = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (folder / "agent").iterdir()}
    assert files == {"tls.crt": 0o644, "tls.key": 0o600, "ca.crt": 0o644}
    leaf = x509.load_pem_x509_certificate((folder / "agent/tls.crt").read_bytes())
    key = serialization.load_pem_private_key((folder / "agent/tls.key").read_bytes(), None)
    assert leaf.public_key() == key.public_key()
    assert (leaf.not_valid_after_utc - leaf.not_valid_before_utc).total_seconds() == 3600 + 300


@pytest.mark.parametrize(
    ("options", "spiffe_id"),
    [
        ((), "spiffe://cluster.local/ns/default/sa/agent"),
        (("-n", "shop"), "spiffe://cluster.local/ns/shop/sa/agent"),
        (("-n", "shop", "--service-account", "a"), "spiffe://cluster.local/ns/shop/sa/a"),
        (("--spiffe-id", "spiffe://cluster.local/x/y"), "spiffe://cluster.local/x/y"),
    ],
)
def test_an_identity_is_given_or_made_of_namespace_and_account(
    folder: Path, options: tuple[str, ...], spiffe_id: str
) -> None:
    said("init")
    issued = msgspec.json.decode(said("issue", "agent", *options, "--to", folder / "x", "-o", "json"))
    assert (issued["spiffeId"], issued["folder"]) == (spiffe_id, str(folder / "x"))
    assert issued["files"] == ["ca.crt", "tls.crt", "tls.key"]


def test_a_secret_is_one_that_kubectl_takes(folder: Path) -> None:
    said("init")
    secret = yaml.safe_load(said("issue", "agent", "-n", "shop", "-o", "yaml"))
    assert (secret["kind"], secret["type"]) == ("Secret", "kubernetes.io/tls")
    assert secret["metadata"] == {"name": "agent", "namespace": "shop"}
    data = {name: base64.b64decode(value).decode() for name, value in secret["data"].items()}
    assert sorted(data) == ["ca.crt", "tls.crt", "tls.key"]
    assert data["tls.key"].startswith("-----BEGIN PRIVATE KEY-----")
    assert data["ca.crt"] == said("show", "-o", "pem")
    assert not (folder / "agent").exists()


def test_a_request_is_signed_and_its_key_stays_away(folder: Path) -> None:
    said("init")
    (folder / "my.csr").write_bytes(request())
    said("issue", "me", "--csr", "my.csr")
    assert sorted(path.name for path in (folder / "me").iterdir()) == ["ca.crt", "tls.crt"]


def test_rotations_say_what_there_is_now(folder: Path) -> None:
    before = said("init").split()
    rows = [line.split("   ")[0] for line in said("rotate", "--root").splitlines()[3:]]
    assert rows == ["root", "intermediate", "former root", "cross"]
    shown = msgspec.json.decode(said("rotate", "-o", "json"))
    assert [one["role"] for one in shown["certificates"]] == rows
    apart = said("rotate", "--distrust")
    assert [line.split()[0] for line in apart.splitlines()[3:]] == ["root", "intermediate"]
    assert not {word for word in before if len(word) == 8 and word.isalnum()} & set(apart.split())


def test_files_are_explained(folder: Path) -> None:
    said("init")
    said("issue", "agent", "--dns", "a.example")
    text = said("show", "agent/tls.crt", "agent/tls.key")
    assert "spiffe://cluster.local/ns/default/sa/agent, a.example" in text
    assert "agent/tls.key: a private key, ECDSA secp256r1; of certificate 1 of agent/tls.crt" in text
    leaf, intermediate = msgspec.json.decode(said("show", "agent/tls.crt", "-o", "json"))
    assert (leaf["role"], leaf["usages"]) == ("leaf", ["serverAuth", "clientAuth"])
    assert intermediate["notes"] == ["issued by a root of this machine's authority"]
    chain = (folder / "agent/tls.crt").read_text()
    assert said("show", "-", input=f"depth=1 noise\n{chain}").count("certificate ") == 2
    said("issue", "other")
    assert "none of these" in said("show", "agent/tls.crt", "other/tls.key")


def test_what_openssl_says_is_what_is_explained(folder: Path) -> None:
    said("init")
    said("issue", "agent")
    (explained, _) = msgspec.json.decode(said("show", "agent/tls.crt", "-o", "json"))
    done = subprocess.run(
        ["openssl", "x509", "-in", "agent/tls.crt", "-noout", "-serial", "-fingerprint", "-sha256"],
        capture_output=True,
        text=True,
        check=True,
    )
    serial, fingerprint = (line.partition("=")[2].lower() for line in done.stdout.splitlines())
    assert (explained["serial"].zfill(len(serial)), explained["sha256"]) == (
        serial,
        fingerprint.replace(":", ""),
    )


def test_the_folder_is_that_of_the_state_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PILLION_STATE_DIR", str(tmp_path / "state"))
    assert f"in {tmp_path}/state/pki/workload" in said("init")
    assert (tmp_path / "state/pki/workload/root.pem").exists()
    monkeypatch.setenv("PILLION_AUTHORITY", str(tmp_path / "other"))
    assert f"in {tmp_path}/other" in said("init")
    assert f"in {tmp_path}/third" in said("init", "--folder", tmp_path / "third")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("issue", "agent"), "pillion authority init"),
        (("show",), "pillion authority init"),
        (("rotate",), "pillion authority init"),
        (("init", "--trust-domain", "a/b"), "it has a path"),
    ],
)
def test_without_an_authority_the_way_to_one_is_shown(
    folder: Path, arguments: tuple[str, ...], words: str
) -> None:
    assert words in refused(*arguments)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("issue", "agent", "--hours", "169"), "at most 168"),
        (("issue", "agent", "--spiffe-id", "spiffe://other/x"), "of the trust domain cluster.local"),
        (("issue", "agent", "--spiffe-id", "agent"), "must begin with spiffe://"),
        (("issue", "agent", "--dns", "a b"), "no DNS name"),
        (("issue", "../x"), "lower-case letters"),
        (("issue", "agent", "--service-account", "a b"), "path"),
        (("issue", "agent", "--to", "authority/bundle.crt/x"), "cannot write into"),
        (("issue", "agent", "-o", "yaml", "--to", "x"), "cannot make a Secret"),
        (("rotate", "--root", "--distrust"), "one of them"),
        (("show", "authority/lock"), "cannot explain authority/lock: the file is empty"),
    ],
)
def test_what_cannot_be_is_refused_with_its_cause(
    folder: Path, arguments: tuple[str, ...], words: str
) -> None:
    said("init")
    assert words in refused(*arguments)
    assert [path.name for path in folder.iterdir()] == ["authority"]


def test_help_shows_how(folder: Path) -> None:
    assert "pillion authority issue agent -o yaml | kubectl apply -f -" in said("--help")
