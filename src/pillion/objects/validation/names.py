"""The syntax of names, and Kubernetes' sentences about it.

Every function takes a text and returns what is wrong with it; nothing wrong is an empty list. The
sentences, expressions included, are those of apimachinery: util/validation/validation.go and
api/validate/content/. Lengths count bytes.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable

from pillion.objects.fielderrors import FieldError, Path, invalid

Syntax = Callable[[str], list[str]]

LABEL_MAX = 63
SUBDOMAIN_MAX = 253
PORT_NAME_MAX = 15

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_UNDERSCORE_LABEL = "_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_UNDERSCORE_SUBDOMAIN = rf"{_UNDERSCORE_LABEL}(\.{_UNDERSCORE_LABEL})*"
_QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL_VALUE = f"({_QUALIFIED})?"
_HTTP_HEADER = "[-A-Za-z0-9]+"
_CONFIG_KEY = "[-._a-zA-Z0-9]+"
_PERCENT = "[0-9]+%"
_SYSCTL_SEGMENT = "[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_SYSCTL = rf"({_SYSCTL_SEGMENT}[\./])*{_SYSCTL_SEGMENT}"

_LABEL_WRONG = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
    "and must start and end with an alphanumeric character"
)
_SUBDOMAIN_WRONG = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
    "and must start and end with an alphanumeric character"
)
_UNDERSCORE_SUBDOMAIN_WRONG = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', "
    "and must start and end with an alphanumeric character"
)
_QUALIFIED_WRONG = (
    "must consist of alphanumeric characters, '-', '_' or '.', "
    "and must start and end with an alphanumeric character"
)
_LABEL_VALUE_WRONG = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
    "and must start and end with an alphanumeric character"
)
_EMPTY = "must be non-empty"


def dns_label(text: str) -> list[str]:
    wrong = _longer_than(LABEL_MAX, text)
    if not _matches(_LABEL, text):
        # A subdomain that is no label has dots, and nothing else, wrong with it.
        if _matches(_SUBDOMAIN, text):
            wrong.append("must not contain dots")
        else:
            wrong.append(_regex_wrong(_LABEL_WRONG, _LABEL, "my-name", "123-abc"))
    return wrong


def dns_subdomain(text: str) -> list[str]:
    wrong = _longer_than(SUBDOMAIN_MAX, text)
    if not _matches(_SUBDOMAIN, text):
        wrong.append(_regex_wrong(_SUBDOMAIN_WRONG, _SUBDOMAIN, "example.com"))
    return wrong


def dns_subdomain_with_underscores(text: str) -> list[str]:
    wrong = _longer_than(SUBDOMAIN_MAX, text)
    if not _matches(_UNDERSCORE_SUBDOMAIN, text):
        wrong.append(_regex_wrong(_UNDERSCORE_SUBDOMAIN_WRONG, _UNDERSCORE_SUBDOMAIN, "example.com"))
    return wrong


def name_prefix(syntax: Syntax) -> Syntax:
    """The rule for generateName: a trailing dash is fine, because more will follow it."""

    def check(text: str) -> list[str]:
        return syntax(text[:-2] + "a" if len(text) > 1 and text.endswith("-") else text)

    return check


def qualified_name(text: str) -> list[str]:
    """A label key: `name` or `example.com/name`."""
    prefix, slash, name = text.partition("/")
    if "/" in name:
        return [
            "a valid label key "
            + _regex_wrong(_QUALIFIED_WRONG, _QUALIFIED, "MyName", "my.name", "123-abc")
            + " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        ]
    wrong: list[str] = []
    if not slash:
        name = prefix
    elif not prefix:
        wrong.append(f"prefix part {_EMPTY}")
    else:
        wrong += [f"prefix part {sentence}" for sentence in dns_subdomain(prefix)]
    if not name:
        wrong.append(f"name part {_EMPTY}")
    wrong += [f"name part {sentence}" for sentence in _longer_than(LABEL_MAX, name)]
    if not _matches(_QUALIFIED, name):
        sentence = _regex_wrong(_QUALIFIED_WRONG, _QUALIFIED, "MyName", "my.name", "123-abc")
        wrong.append(f"name part {sentence}")
    return wrong


def label_value(text: str) -> list[str]:
    wrong = _longer_than(LABEL_MAX, text)
    if not _matches(_LABEL_VALUE, text):
        wrong.append(_regex_wrong(_LABEL_VALUE_WRONG, _LABEL_VALUE, "MyValue", "my_value", "12345"))
    return wrong


def port_name(text: str) -> list[str]:
    wrong = _longer_than(PORT_NAME_MAX, text)
    if not _matches("[-a-z0-9]+", text):
        wrong.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search("[a-z]", text):
        wrong.append("must contain at least one letter (a-z)")
    if "--" in text:
        wrong.append("must not contain consecutive hyphens")
    if text.startswith("-") or text.endswith("-"):
        wrong.append("must not begin or end with a hyphen")
    return wrong


def env_var_name(text: str) -> list[str]:
    """The relaxed rule, which is the only one since RelaxedEnvironmentVariableValidation is GA."""
    wrong = [] if text else [f"environment variable name {_EMPTY}"]
    if any(not " " <= character <= "~" or character == "=" for character in text):
        wrong.append(
            "a valid environment variable name must consist only of printable ASCII characters other than '='"
        )
    return wrong


def config_key(text: str) -> list[str]:
    """A key of a ConfigMap or a Secret: it has to be usable as a file name."""
    wrong = _longer_than(SUBDOMAIN_MAX, text)
    if not _matches(_CONFIG_KEY, text):
        sentence = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
        wrong.append(_regex_wrong(sentence, _CONFIG_KEY, "key.name", "KEY_NAME", "key-name"))
    if text in (".", ".."):
        wrong.append(f"must not be '{text}'")
    elif text.startswith(".."):
        wrong.append("must not start with '..'")
    return wrong


def http_header_name(text: str) -> list[str]:
    if _matches(_HTTP_HEADER, text):
        return []
    sentence = "a valid HTTP header must consist of alphanumeric characters or '-'"
    return [_regex_wrong(sentence, _HTTP_HEADER, "X-Header-Name")]


def percentage(text: str) -> list[str]:
    if _matches(_PERCENT, text):
        return []
    sentence = "a valid percent string must be a numeric string followed by an ending '%'"
    return [_regex_wrong(sentence, _PERCENT, "1%", "93%")]


def sysctl_name(text: str) -> list[str]:
    if len(text.encode()) <= SUBDOMAIN_MAX and _matches(_SYSCTL, text):
        return []
    return [f"must have at most {SUBDOMAIN_MAX} characters and match regex ^{_SYSCTL}$"]


def ip_address(text: str) -> list[str]:
    """Leading zeros are let through, as in Kubernetes' sloppy parser; a zone (`%eth0`) is not."""
    plain = re.sub(r"(?<![0-9A-Fa-f:])0+(?=[0-9])", "", text) if ":" not in text else text
    try:
        ipaddress.ip_address(plain)
    except ValueError:
        parsed = False
    else:
        parsed = "%" not in text
    return [] if parsed else ["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"]


def port_number(number: int) -> list[str]:
    return in_range(number, 1, 65_535)


def in_range(number: int, low: int, high: int) -> list[str]:
    return [] if low <= number <= high else [f"must be between {low} and {high}, inclusive"]


def check(path: Path, text: str, syntax: Syntax) -> list[FieldError]:
    """One Invalid error per sentence."""
    return [invalid(path, text, sentence) for sentence in syntax(text)]


def _longer_than(limit: int, text: str) -> list[str]:
    return [f"must be no more than {limit} bytes"] if len(text.encode()) > limit else []


def _matches(expression: str, text: str) -> bool:
    return re.fullmatch(expression, text) is not None


def _regex_wrong(sentence: str, expression: str, *examples: str) -> str:
    shown = " or ".join(f"'{example}', " for example in examples)
    return f"{sentence} (e.g. {shown}regex used for validation is '{expression}')"
