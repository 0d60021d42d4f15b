"""Tokens for the volumes of pods: made when first asked for, made anew in time, the same in between.

Source: pkg/kubelet/token/token_manager.go.
"""

from __future__ import annotations

import msgspec

from pillion.apiserver.accounttokens import Bound, ServiceAccountTokens, find_account
from pillion.clock import Clock
from pillion.objects.models import core_v1
from pillion.plan.pods import identity_of, spec_of
from pillion.plan.references import ConfigError
from pillion.store import Store
from pillion.units import Instant

RENEW_AT = 0.8
"""Of its lifetime a token is used; it is also renewed when it is a day old."""
RENEW_AFTER = 86_400.0

_Asked = tuple[str, str, int]


class _Token(msgspec.Struct, frozen=True):
    text: str
    renew_at: Instant
    account_uid: str


class PodTokens:
    """A `TokenSource`."""

    def __init__(self, store: Store, tokens: ServiceAccountTokens, clock: Clock) -> None:
        self._store = store
        self._tokens = tokens
        self._clock = clock
        self._known: dict[_Asked, _Token] = {}

    def token(self, pod: core_v1.Pod, *, audience: str, seconds: int) -> str:
        """Raises ConfigError when there is no such account."""
        identity = identity_of(pod)
        account_name = spec_of(pod).serviceAccountName or "default"
        account = find_account(self._store, identity.namespace, account_name)
        if account is None:
            raise ConfigError(f'failed to fetch token: serviceaccounts "{account_name}" not found')
        now, account_uid = self._clock.now(), account["metadata"]["uid"]
        asked = (identity.uid, audience, seconds)
        known = self._known.get(asked)
        if known is not None and known.renew_at > now and known.account_uid == account_uid:
            return known.text
        text, _ = self._tokens.issue(
            identity.namespace,
            account,
            audiences=(audience,) if audience else (),
            seconds=seconds,
            bound=Bound(kind="Pod", name=identity.name, uid=identity.uid),
            node_name=spec_of(pod).nodeName or "",
        )
        renew_at = Instant(now + min(seconds * RENEW_AT, RENEW_AFTER))
        self._known[asked] = _Token(text, renew_at, account_uid)
        return text

    def forget(self, pod_uid: str) -> None:
        """The pod is gone."""
        for asked in [asked for asked in self._known if asked[0] == pod_uid]:
            del self._known[asked]
