"""Rules for a pod's DNS configuration (core/validation: validatePodDNSConfig). The limits are libc's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pillion.objects.fielderrors import FieldError, Path, invalid, required
from pillion.objects.validation import names

if TYPE_CHECKING:
    from pillion.objects.models import core_v1

MAX_NAMESERVERS = 3
MAX_SEARCHES = 32
MAX_SEARCH_CHARACTERS = 2048


def validate_dns_config(
    config: core_v1.PodDNSConfig | None, policy: str | None, path: Path
) -> list[FieldError]:
    if policy == "None" and config is None:
        return [required(path, "must provide `dnsConfig` when `dnsPolicy` is None")]
    if config is None:
        return []
    servers, searches = config.nameservers or [], config.searches or []
    if policy == "None" and not servers:
        detail = "must provide at least one DNS nameserver when `dnsPolicy` is None"
        return [required(path.child("nameservers"), detail)]
    errors: list[FieldError] = []
    if len(servers) > MAX_NAMESERVERS:
        detail = f"must not have more than {MAX_NAMESERVERS} nameservers"
        errors.append(invalid(path.child("nameservers"), servers, detail))
    for i, server in enumerate(servers):
        errors += names.check(path.child("nameservers").index(i), server, names.ip_address)
    if len(searches) > MAX_SEARCHES:
        detail = f"must not have more than {MAX_SEARCHES} search paths"
        errors.append(invalid(path.child("searches"), searches, detail))
    if len(" ".join(searches).encode()) > MAX_SEARCH_CHARACTERS:
        detail = f"must not have more than {MAX_SEARCH_CHARACTERS} characters (including spaces) in the search list"
        errors.append(invalid(path.child("searches"), searches, detail))
    for i, search in enumerate(searches):
        if search != ".":
            where = path.child("searches").index(i)
            errors += names.check(where, search.removesuffix("."), names.dns_subdomain_with_underscores)
    for i, option in enumerate(config.options or ()):
        if not option.name:
            errors.append(required(path.child("options").index(i), "must not be empty"))
    return errors
