"""Options that several commands have in common: one spelling, one default, one help text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from pillion.daemon.identitysettings import DEFAULT_TRUST_DOMAIN, MAX_LIFETIME
from pillion.daemon.serving import DEFAULT_STATE_DIR

Decorator = Callable[[Any], Any]


def state_dir_option(help_: str) -> Decorator:
    return click.option(
        "--state-dir",
        metavar="DIR",
        default=DEFAULT_STATE_DIR,
        show_default=True,
        envvar="PILLION_STATE_DIR",
        help=help_,
    )


image_option: Decorator = click.option(
    "--image",
    "images",
    metavar="NAME=SOURCE",
    multiple=True,
    help="Where an image comes from: an archive, a folder with a pillion-image.yaml, a loaded image, or `host`.",
)
stand_ins_option: Decorator = click.option(
    "--no-stand-ins", is_flag=True, help="Never run something else in the place of a well-known image."
)
trust_domain_option: Decorator = click.option(
    "--trust-domain",
    metavar="NAME",
    default=DEFAULT_TRUST_DOMAIN,
    show_default=True,
    help="Of the Pods' identities: spiffe://NAME/ns/NAMESPACE/sa/ACCOUNT.",
)
identity_lifetime_option: Decorator = click.option(
    "--identity-lifetime",
    metavar="SECONDS",
    type=click.FloatRange(min=1, max=MAX_LIFETIME),
    default=MAX_LIFETIME,
    help="How long a Pod's certificate is good for at most; by default a day. It is renewed at half of it.",
)
