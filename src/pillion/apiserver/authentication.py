"""Who asks: the bearer of the administrator's token, or of a service-account token."""

from __future__ import annotations

import hmac

from pillion.apiserver.accounttokens import ServiceAccountTokens
from pillion.apiserver.seams import User

ADMIN = User(name="kubernetes-admin", groups=("system:masters", "system:authenticated"))
"""kubeadm's name for the user of its kubeconfig."""


class TokenAuthenticator:
    """An `Authenticate`. Nobody is anonymous: health is answered before anybody is asked."""

    def __init__(self, admin_token: str, accounts: ServiceAccountTokens) -> None:
        self._admin_token = admin_token.encode()
        self._accounts = accounts

    def __call__(self, authorization: str | None) -> User | None:
        scheme, _, token = (authorization or "").partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            return None
        if hmac.compare_digest(token.encode("latin-1", "replace"), self._admin_token):
            return ADMIN
        return self._accounts.verify(token)
