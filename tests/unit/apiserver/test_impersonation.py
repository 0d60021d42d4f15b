"""Requests in the name of somebody else (apiserver's filters/impersonation.go)."""

from __future__ import annotations

import pytest

from pillion.apiserver.impersonation import impersonate
from pillion.apiserver.seams import User
from pillion.apiserver.statuses import ApiError

ADMIN = User(name="kubernetes-admin", groups=("system:masters",))
POD = User(name="system:serviceaccount:ns:default", groups=("system:serviceaccounts",))


def test_a_request_without_the_headers_is_its_owners() -> None:
    assert impersonate(ADMIN, [(b"accept", b"*/*")]) is ADMIN


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([(b"impersonate-user", b"jane")], User(name="jane", groups=("system:authenticated",))),
        (
            [(b"Impersonate-User", b"jane"), (b"Impersonate-Group", b"dev"), (b"Impersonate-Group", b"ops")],
            User(name="jane", groups=("dev", "ops", "system:authenticated")),
        ),
        (
            [(b"impersonate-user", b"system:serviceaccount:ns:agent")],
            User(
                name="system:serviceaccount:ns:agent",
                groups=("system:serviceaccounts", "system:serviceaccounts:ns", "system:authenticated"),
            ),
        ),
        ([(b"impersonate-user", b"system:anonymous")], User(name="system:anonymous")),
        (
            [(b"impersonate-user", b"j"), (b"impersonate-uid", b"7"), (b"impersonate-extra-a%2fb", b"c")],
            User(name="j", uid="7", groups=("system:authenticated",), extra={"a/b": ("c",)}),
        ),
    ],
)
def test_the_administrator_asks_as_somebody_else(headers: list[tuple[bytes, bytes]], expected: User) -> None:
    assert impersonate(ADMIN, headers) == expected


@pytest.mark.parametrize(
    ("user", "headers", "code", "message"),
    [
        (
            POD,
            [(b"impersonate-user", b"kubernetes-admin")],
            403,
            (
                'users "kubernetes-admin" is forbidden: User "system:serviceaccount:ns:default" cannot impersonate '
                'resource "users" in API group "" at the cluster scope'
            ),
        ),
        (
            POD,
            [(b"impersonate-user", b"system:serviceaccount:other:x")],
            403,
            (
                'serviceaccounts "x" is forbidden: User "system:serviceaccount:ns:default" cannot impersonate '
                'resource "serviceaccounts" in API group "" in the namespace "other"'
            ),
        ),
        (
            ADMIN,
            [(b"impersonate-group", b"dev")],
            500,
            "Internal error occurred: requested impersonation of groups, extra or uid without impersonating a user",
        ),
    ],
)
def test_who_may_not_or_asks_for_half_of_it_is_refused(
    user: User, headers: list[tuple[bytes, bytes]], code: int, message: str
) -> None:
    with pytest.raises(ApiError) as refusal:
        impersonate(user, headers)
    assert (refusal.value.code, refusal.value.message) == (code, message)
