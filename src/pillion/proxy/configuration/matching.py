"""The values of `proxy.yaml` that say what something must be like: texts, headers, identities."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterator
from typing import Any

import msgspec

from pillion.proxy.configuration.failure import Wrong
from pillion.proxy.configuration.names import DNS_NAME, HEADER_NAME, HOST_NAME, PLAIN, Regex
from pillion.proxy.configuration.reading import At, Json, Reading, described
from pillion.proxy.configuration.scalars import Flag, Text
from pillion.proxy.configuration.sections import Complaint, Key, Section
from pillion.proxy.configuration.values import HeaderMatch, Identity, StringMatch
from pillion.proxy.identity import parse_spiffe_id
from pillion.yamltree import MappingNode, Node, ScalarNode

_SPIFFE = "spiffe://"

_MATCH_KEYS = (
    Key(name="exact", kind=PLAIN, help="This text."),
    Key(name="prefix", kind=PLAIN, help="A text that begins so."),
    Key(name="regex", kind=Regex(), help="A text that matches as a whole."),
)


def _exactly_one(names: tuple[str, ...]) -> Callable[[Any, Container[str]], Iterator[Complaint]]:
    def problems(_section: Any, written: Container[str]) -> Iterator[Complaint]:
        found = [name for name in names if name in written]
        if not found:
            yield "", "says nothing", f"write {', '.join(names[:-1])} or {names[-1]}"
        elif len(found) > 1:
            yield found[1], f"stands beside {found[0]}", "write one of them"

    return problems


def _one_required(names: tuple[str, ...]) -> Json:
    return {"oneOf": [{"required": [name]} for name in names]}


STRING_MATCH = Section(
    cls=StringMatch,
    title="Text match",
    help="What a text must be like. A bare text stands for `exact`.",
    keys=_MATCH_KEYS,
    problems=_exactly_one(("exact", "prefix", "regex")),
    constraint=_one_required(("exact", "prefix", "regex")),
)


class BareOrMatch(msgspec.Struct, frozen=True, kw_only=True):
    """A bare text, or a mapping with exact, prefix or regex."""

    bare: Text = PLAIN

    @property
    def parts(self) -> tuple[Section, ...]:
        return (STRING_MATCH,)

    @property
    def noun(self) -> str:
        return "a text, or a mapping with exact, prefix or regex"

    @property
    def takes(self) -> str:
        return STRING_MATCH.takes

    def read(self, node: Node, at: At, reading: Reading) -> StringMatch:
        if isinstance(node, MappingNode):
            found: StringMatch = STRING_MATCH.read(node, at, reading)
            return found
        return StringMatch(exact=self.bare.read(node, at, reading))

    def write(self, value: Any) -> Any:
        return value.exact if value.exact is not None else STRING_MATCH.write(value)

    def schema(self) -> Json:
        return {"anyOf": [self.bare.schema(), STRING_MATCH.schema()]}


class _Header(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    exact: str | None = None
    prefix: str | None = None
    regex: str | None = None
    present: bool | None = None


_HEADER = Section(
    cls=_Header,
    title="Header match",
    help="What a header must be like.",
    keys=(
        Key(name="name", kind=HEADER_NAME, help="In any case.", is_needed=True),
        *_MATCH_KEYS,
        Key(name="present", kind=Flag(), help="It is there, or with `false` it is not."),
    ),
    problems=_exactly_one(("exact", "prefix", "regex", "present")),
    constraint=_one_required(("exact", "prefix", "regex", "present")),
)


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """One header, its name beside what it must be like."""

    noun: str = _HEADER.noun
    takes: str = _HEADER.takes
    parts: tuple[Section, ...] = (_HEADER,)

    def read(self, node: Node, at: At, reading: Reading) -> HeaderMatch:
        found: _Header = _HEADER.read(node, at, reading)
        value = StringMatch(exact=found.exact, prefix=found.prefix, regex=found.regex, present=found.present)
        match = HeaderMatch(name=found.name, value=value)
        reading.remember(match, at, {}, () if reading.is_sound(found) else ("",))
        return match

    def write(self, value: Any) -> Any:
        return {"name": value.name} | {
            name: said
            for name in ("exact", "prefix", "regex", "present")
            if (said := getattr(value.value, name)) is not None
        }

    def schema(self) -> Json:
        return _HEADER.schema()


_IDENTITY = Section(
    cls=Identity,
    title="Identity",
    help=(
        "A subject alternative name (SAN) of a certificate. A bare text that begins with `spiffe://`"
        " is a SPIFFE ID, where a last part `*` means any below; any other bare text is a DNS name, where a first part"
        " `*` means any one part."
    ),
    keys=(
        Key(name="uri", kind=BareOrMatch(), help="A URI as SAN, whatever its scheme."),
        Key(name="dns", kind=BareOrMatch(bare=HOST_NAME), help="A DNS name as SAN."),
    ),
    problems=_exactly_one(("uri", "dns")),
    constraint=_one_required(("uri", "dns")),
)


class IdentityKind(msgspec.Struct, frozen=True, kw_only=True):
    """Bare, or in a mapping."""

    noun: str = "a SPIFFE ID, a DNS name, or a mapping with uri or dns"
    takes: str = _IDENTITY.takes
    parts: tuple[Section, ...] = (_IDENTITY,)

    def read(self, node: Node, at: At, reading: Reading) -> Identity:
        if isinstance(node, MappingNode):
            found: Identity = _IDENTITY.read(node, at, reading)
            return found
        if not isinstance(node, ScalarNode):
            raise Wrong(f"expected {self.noun}, found {described(node)}")
        text = PLAIN.read(node, at, reading)
        if text.startswith(_SPIFFE):
            return Identity(uri=_spiffe_match(text))
        return Identity(dns=_dns_match(text))

    def write(self, value: Any) -> Any:
        uri: StringMatch | None = value.uri
        if uri is not None:
            if uri.prefix is not None and uri.prefix.startswith(_SPIFFE) and uri.prefix.endswith("/"):
                return f"{uri.prefix}*"
            return uri.exact if uri.exact is not None and _is_spiffe_id(uri.exact) else _IDENTITY.write(value)
        return value.dns.exact if value.dns.exact is not None else _IDENTITY.write(value)

    def schema(self) -> Json:
        return {"anyOf": [{"type": "string", "minLength": 1}, _IDENTITY.schema()]}


def _is_spiffe_id(text: str) -> bool:
    try:
        parse_spiffe_id(text)
    except ValueError:
        return False
    return True


def _spiffe_match(text: str) -> StringMatch:
    above = text.removesuffix("/*")
    try:
        parse_spiffe_id(above)
    except ValueError as error:
        remedy = (
            "only the last part may be *"
            if "*" in above
            else "write it like spiffe://example.org/ns/default/sa/agent"
        )
        raise Wrong(str(error), remedy) from None
    return StringMatch(exact=text) if above == text else StringMatch(prefix=f"{above}/")


def _dns_match(text: str) -> StringMatch:
    name = text.lower().removeprefix("*.")
    if "/" in text or not re.fullmatch(DNS_NAME, name, re.ASCII) or len(name) > 253:
        remedy = "write spiffe://TRUST-DOMAIN/PATH, or NAME.DOMAIN; of another URI: uri: …"
        raise Wrong(f"{text!r} is no SPIFFE ID and no DNS name", remedy)
    if name == text.lower():
        return StringMatch(exact=name)
    return StringMatch(regex=rf"[^.]+\.{re.escape(name)}")
