"""`${NAME}` in values.

What `@SET` and YAML's `env` say comes before the environment, an empty variable of the environment counts as not set,
and one that is not set is replaced by nothing: Fluent Bit's src/flb_env.c.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from pillion.collector.configuration.document import Files, Variable
from pillion.collector.configuration.failure import Complaints, Fault, Place

_FILE = "file://"


class Expanded(msgspec.Struct, frozen=True):
    text: str
    complaint: str = ""
    """What a reader should know about it."""


class Variables:
    def __init__(self, defined: Mapping[str, str], environment: Mapping[str, str]) -> None:
        self._defined = defined
        self._environment = environment

    def expand(self, text: str) -> Expanded:
        """All variables of a value (`flb_env_var_translate`).

        Fluent Bit looks for the closing brace from where it stands, so a `}` before `${` ends the search.
        """
        if "${" not in text:
            return Expanded(text)
        parts: list[str] = []
        missing: list[str] = []
        position = 0
        while (start := text.find("${", position)) >= 0:
            end = text.find("}", position)
            if end < 0:
                return Expanded(text, "a ${ without its }: it stays as it is")
            if end <= start + 2:
                return Expanded(
                    "".join(parts) + text[end + 1 :] if parts else text,
                    "a } stands before ${ or right after it: what follows is not replaced, as in Fluent Bit",
                )
            name = text[start + 2 : end]
            value = self._defined.get(name)
            if value is None:
                value = self._environment.get(name, "")
                missing += [] if value else [name]
            parts += (text[position:start], value)
            position = end + 1
        parts.append(text[position:])
        complaint = f"${{{'}, ${'.join(missing)}}} is not set: nothing is put in its place" if missing else ""
        return Expanded("".join(parts), complaint)


def define(variables: Iterable[Variable], files: Files, complaints: Complaints) -> dict[str, str]:
    """The last definition of each; `file://PATH` is what the file holds (`flb_env_set`)."""
    defined: dict[str, str] = {}
    for variable in variables:
        if not variable.value.startswith(_FILE):
            defined[variable.name] = variable.value
            continue
        content = _read_secret(variable, files, complaints)
        if content:
            defined[variable.name] = content
    return defined


def _read_secret(variable: Variable, files: Files, complaints: Complaints) -> str:
    path = variable.value.removeprefix(_FILE)

    def fault(text: str) -> str:
        complaints.fatal(Fault(place=variable.place, about=variable.name, text=text))
        return ""

    try:
        content = files.load(path).decode()
    except OSError as error:
        return fault(f"cannot read {path}: {error.strerror or error}")
    except UnicodeDecodeError:
        return fault(f"{path} is not UTF-8")
    content = content.removesuffix("\n").removesuffix("\r")
    return content or fault(f"{path} is empty")


def expand_all(
    values: tuple[str, ...], variables: Variables, place: Place, about: str, complaints: Complaints
) -> tuple[str, ...]:
    """The values with their variables replaced. One that is empty then counts as absent, and is left out."""
    found = []
    for value in values:
        expanded = variables.expand(value)
        if expanded.complaint:
            complaints.warn(Fault(place=place, about=about, text=expanded.complaint))
        if expanded.text:
            found.append(expanded.text)
    return tuple(found)
