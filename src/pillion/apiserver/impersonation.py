"""`kubectl --as`: a request in the name of somebody else (apiserver's filters/impersonation.go).

Only `system:masters` may: pillion has no Roles that could allow it to others.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import unquote

from pillion.apiserver.authorization import MASTERS
from pillion.apiserver.seams import User
from pillion.apiserver.statuses import ApiError

_PREFIX = b"impersonate-"
_AUTHENTICATED, _UNAUTHENTICATED = "system:authenticated", "system:unauthenticated"
_ACCOUNT = "system:serviceaccount:"


def impersonate(user: User, headers: Iterable[tuple[bytes, bytes]]) -> User:
    """The user this request is for: `user`, unless the headers name another.

    Raises ApiError: 403 when `user` may not, 500 for groups without a user, as kube-apiserver answers.
    """
    asked = [
        (name.lower(), value.decode("latin-1")) for name, value in headers if name.lower().startswith(_PREFIX)
    ]
    if not asked:
        return user
    name = next((value for header, value in asked if header == b"impersonate-user"), "")
    if not name:
        raise ApiError(
            500,
            "InternalError",
            "Internal error occurred: requested impersonation of groups, extra or uid without impersonating a user",
        )
    if MASTERS not in user.groups:
        account = name.removeprefix(_ACCOUNT).partition(":") if name.startswith(_ACCOUNT) else None
        resource = "serviceaccounts" if account is not None else "users"
        place = f'in the namespace "{account[0]}"' if account is not None else "at the cluster scope"
        raise ApiError(
            403,
            "Forbidden",
            f'{resource} "{account[2] if account is not None else name}" is forbidden: User "{user.name}" cannot '
            f'impersonate resource "{resource}" in API group "" {place}',
        )
    groups = [value for header, value in asked if header == b"impersonate-group"]
    if name.startswith(_ACCOUNT) and not groups:
        namespace = name.removeprefix(_ACCOUNT).partition(":")[0]
        groups = ["system:serviceaccounts", f"system:serviceaccounts:{namespace}"]
    if name != "system:anonymous" and not {_AUTHENTICATED, _UNAUTHENTICATED} & set(groups):
        groups.append(_AUTHENTICATED)
    extra: dict[str, tuple[str, ...]] = {}
    for header, value in asked:
        if header.startswith(b"impersonate-extra-"):
            key = unquote(header.removeprefix(b"impersonate-extra-").decode("latin-1"))
            extra[key] = (*extra.get(key, ()), value)
    uid = next((value for header, value in asked if header == b"impersonate-uid"), "")
    return User(name=name, uid=uid, groups=tuple(groups), extra=extra)
