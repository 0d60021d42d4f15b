"""`pillion authority`: make an authority, issue certificates from it, rotate it, look at it."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import click

from pillion.daemon.serving import DEFAULT_STATE_DIR
from pillion.errors import HostError, ManifestError
from pillion.statedir import StateDir

if TYPE_CHECKING:
    from pillion.proxy.authority import Authority
    from pillion.proxy.identity import SpiffeId
    from pillion.units import Instant

Decorator = Callable[[Any], Any]

DEFAULT_TRUST_DOMAIN = "cluster.local"
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
"""Of a Secret: a DNS subdomain (apimachinery, util/validation: IsDNS1123Subdomain)."""
_HOUR = 3600.0
_HOURS = 24.0


def _default_folder() -> Path:
    """Where `pillion serve` has the authority that its Pods' identities come from."""
    state = StateDir(PurePosixPath(os.environ.get("PILLION_STATE_DIR") or DEFAULT_STATE_DIR))
    return Path(state.workload_authority)


_folder_option: Decorator = click.option(
    "--folder",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    default=_default_folder,
    show_default=f"pki/workload in PILLION_STATE_DIR or {DEFAULT_STATE_DIR}",
    envvar="PILLION_AUTHORITY",
    help="Where the authority is. The default is that of pillion serve.",
)


def _format_option(*formats: str, help_: str) -> Decorator:
    return click.option(
        "-o", "--output", "format_", type=click.Choice(formats), default="text", show_default=True, help=help_
    )


@click.group(
    short_help="Issue certificates for TLS and mTLS: identities of hours, from an authority of your own."
)
def authority() -> None:
    """Issue certificates for TLS and mTLS: identities of hours, from an authority of your own.

    \b
    pillion authority init --folder ./authority            a root, and an intermediate below it
    pillion authority issue agent --folder ./authority     agent/tls.crt, tls.key and ca.crt
    pillion authority issue agent -o yaml | kubectl apply -f -    as a Secret
    pillion authority rotate --root                        nobody is refused meanwhile
    """


@authority.command()
@_folder_option
@click.option(
    "--trust-domain",
    metavar="NAME",
    default=DEFAULT_TRUST_DOMAIN,
    show_default=True,
    help="What its SPIFFE IDs begin with, after spiffe://.",
)
@_format_option("text", "json", help_="How to say what was made.")
def init(folder: Path, trust_domain: str, format_: str) -> None:
    """Make an authority. One that is there stays, and renews what is due.

    The root lives ten years, the intermediate one. Keys are ECDSA P-256, readable by their owner alone. root.pem may
    be kept elsewhere: only a rotation needs it.
    """
    from pillion.proxy.authority import open_authority

    now = _now()
    _print_authority(open_authority(folder, trust_domain, now), now, format_)


@authority.command()
@click.argument("name")
@_folder_option
@click.option("--spiffe-id", metavar="ID", help="Whose it is. Default: of the namespace and service account.")
@click.option(
    "-n", "--namespace", default="default", show_default=True, help="Of the SPIFFE ID, and of the Secret."
)
@click.option("--service-account", metavar="SA", help="Of the SPIFFE ID. Default: NAME.")
@click.option("--dns", metavar="NAME", multiple=True, help="A DNS name by which it is called. Repeatable.")
@click.option("--ip", "ips", metavar="ADDRESS", multiple=True, help="An IP address, likewise.")
@click.option(
    "--hours", type=float, default=_HOURS, show_default=True, help="How long it lives, at most 168 (a week)."
)
@click.option(
    "--csr",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Sign this request; its key stays where it is. Names in it are not taken over.",
)
@click.option(
    "--to",
    "target",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder for tls.crt, tls.key and ca.crt. Default: ./NAME.",
)
@_format_option("text", "json", "yaml", help_="yaml: print a Secret for kubectl, and write no files.")
def issue(
    name: str,
    folder: Path,
    spiffe_id: str | None,
    namespace: str,
    service_account: str | None,
    dns: tuple[str, ...],
    ips: tuple[str, ...],
    hours: float,
    csr: Path | None,
    target: Path | None,
    format_: str,
) -> None:
    """Issue a certificate for servers and clients, with one SPIFFE ID.

    \b
    pillion authority issue agent --dns agent.default.svc
    pillion authority issue caller --service-account=crawler --hours 1 -o yaml | kubectl apply -f -
    openssl req -new -key my.key -subj / | pillion authority issue me --csr /dev/stdin
    """
    from pillion.cli.authoritytext import print_issued, print_secret
    from pillion.proxy.authority import find_authority, format_key, generate_key, open_authority

    if format_ == "yaml" and (csr is not None or target is not None):
        raise ManifestError(
            "cannot make a Secret of this: with --csr there is no key to put into it, and with --to files are written; "
            "leave out -o yaml, or the other"
        )
    for text in (name, namespace):
        if not _NAME.fullmatch(text):
            raise ManifestError(
                f"cannot call a Secret or a namespace {text!r}: use lower-case letters, digits, - and ."
            )
    now = _now()
    found = open_authority(folder, find_authority(folder).trust_domain, now)
    wanted = _spiffe_id(found, spiffe_id, namespace, service_account or name)
    key = None if csr is not None else generate_key()
    if csr is not None:
        chain = found.sign(_read(csr), wanted, now=now, lifetime=hours * _HOUR, dns=dns, ips=ips)
    else:
        assert key is not None
        chain = found.issue(key.public_key(), wanted, now=now, lifetime=hours * _HOUR, dns=dns, ips=ips)
    files = {"tls.crt": chain, "ca.crt": found.bundle_pem} | ({"tls.key": format_key(key)} if key else {})
    if format_ == "yaml":
        print_secret(name, namespace, files)
        return
    place = target or Path(name)
    _write(place, files)
    print_issued(place, sorted(files), chain, as_json=format_ == "json")


@authority.command()
@_folder_option
@click.option("--root", is_flag=True, help="The root too. Both roots are trusted for a week.")
@click.option(
    "--distrust",
    is_flag=True,
    help="The root too, and the old one is trusted no longer: its key is lost or known.",
)
@_format_option("text", "json", help_="How to say what there is now.")
def rotate(
    folder: Path,
    root: bool,  # noqa: FBT001 - click gives flags so
    distrust: bool,  # noqa: FBT001
    format_: str,
) -> None:
    """Make a new intermediate, or with --root a new root as well.

    Certificates issued before stay good until their end. After --root, chains carry a cross certificate for a week, so
    that those who have only the old ca.crt accept the new ones: hand out the new ca.crt within that week. --distrust
    cuts off whoever has not got the new ca.crt.
    """
    from pillion.proxy.authority import Rotation, rotate_authority

    if root and distrust:
        raise ManifestError("--root keeps trusting the old root, --distrust does not: give one of them")
    what = Rotation.DISTRUST if distrust else Rotation.ROOT if root else Rotation.INTERMEDIATE
    now = _now()
    _print_authority(rotate_authority(folder, now, what=what), now, format_)


@authority.command()
@click.argument(
    "files", nargs=-1, metavar="[FILE]...", type=click.Path(exists=True, dir_okay=False, allow_dash=True)
)
@_folder_option
@_format_option("text", "json", "pem", help_="pem: the roots to trust, as others' ca.crt.")
def show(files: tuple[str, ...], folder: Path, format_: str) -> None:
    """Say what the authority consists of, or what is in PEM files.

    A file named - is standard input.

    \b
    pillion authority show -o pem > ca.crt
    pillion authority show agent/tls.crt agent/tls.key
    openssl s_client -connect localhost:8443 -showcerts </dev/null | pillion authority show -
    """
    from pillion.proxy.authority import find_authority

    now = _now()
    if files:
        from pillion.cli.authorityexplain import explain

        if format_ == "pem":
            raise ManifestError("-o pem prints the authority's roots: leave out the files")
        explain([(file, _read(Path(file))) for file in files], folder, now, as_json=format_ == "json")
        return
    _print_authority(find_authority(folder), now, format_)


def _print_authority(found: Authority, now: Instant, format_: str) -> None:
    from pillion.cli.authoritytext import print_authority

    if format_ == "pem":
        click.echo(found.bundle_pem, nl=False)
    else:
        print_authority(found, now, as_json=format_ == "json")


def _spiffe_id(found: Authority, text: str | None, namespace: str, account: str) -> SpiffeId:
    from pillion.proxy.identity import of_service_account, parse_spiffe_id

    wanted = text or str(of_service_account(found.trust_domain, namespace, account))
    try:
        return parse_spiffe_id(wanted)
    except ValueError as error:
        raise ManifestError(f"cannot issue: {error}") from error


def _write(folder: Path, files: dict[str, str]) -> None:
    """The key first: who looks in between finds a key that is too new, never a certificate without its key."""
    from pillion.privatefile import write_file

    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in ("tls.key", "tls.crt", "ca.crt"):
            if name in files:
                write_file(folder / name, files[name].encode(), mode=0o600 if name == "tls.key" else 0o644)
    except OSError as error:
        raise HostError(
            f"cannot write into {folder}: {error.strerror}; choose another folder with --to"
        ) from error


def _read(path: Path) -> bytes:
    try:
        return sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise HostError(f"cannot read {path}: {error.strerror}") from error


def _now() -> Instant:
    from pillion.clock import wall_time

    return wall_time()
