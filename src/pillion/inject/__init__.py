"""What is added to a Pod because its annotations ask for it: Pod in, Pod out. Pure.

Works on trees, as admission does: a field that we do not know passes through unharmed.
"""

from pillion.inject.identity import (
    BUNDLE_NAME,
    IDENTITY_ANNOTATION,
    IDENTITY_PATH,
    IDENTITY_VOLUME,
    SIGNER_NAME,
    add_identity,
    check_identity,
)

__all__ = [
    "BUNDLE_NAME",
    "IDENTITY_ANNOTATION",
    "IDENTITY_PATH",
    "IDENTITY_VOLUME",
    "SIGNER_NAME",
    "add_identity",
    "check_identity",
]
