"""The way in: text to configuration, or everything that is wrong with it."""

from __future__ import annotations

import msgspec

from pillion.proxy.configuration.checking import check
from pillion.proxy.configuration.failure import ConfigurationError, Wrong, in_order
from pillion.proxy.configuration.reading import At, Reading
from pillion.proxy.configuration.sections import Unusable
from pillion.proxy.configuration.tables import DOCUMENT
from pillion.proxy.configuration.values import Configuration, Ports
from pillion.units.yamlscalars import resolve_core
from pillion.yamltree import compose

_START = At("", 1)
_LOOK = "look at the brackets, quotes and indentation of this line and of the one above"


def load(text: str, file: str) -> Configuration:
    """Read and check. `file` is its path, for messages, and for the relative paths in it.

    YAML is 1.2's (`on`, `no` are text); `${NAME}` is not expanded. Raises ConfigurationError with everything that is
    wrong.
    """
    reading = Reading(file)
    configuration = _read(text, reading)
    if configuration is not None:
        check(configuration, reading)
    if reading.faults or configuration is None:
        raise ConfigurationError(reading.faults)
    warnings = tuple(map(str, in_order(reading.warnings)))
    return msgspec.structs.replace(
        configuration, file=file, warnings=warnings, lines=_port_lines(configuration, reading)
    )


def _port_lines(configuration: Configuration, reading: Reading) -> dict[str, int]:
    ports = configuration.ports
    own = [reading.where(ports, key) for key in Ports.__struct_fields__ if reading.has(ports, key)]
    listeners = (*configuration.inbound, *configuration.outbound)
    return {at.path: at.line for at in (*own, *(reading.where(one, "port") for one in listeners))}


def _read(text: str, reading: Reading) -> Configuration | None:
    composed = compose(text, reading.file, resolve_core)
    problems = [problem for document in composed.documents for problem in document.problems]
    if composed.syntax_error is not None:
        problems.append(composed.syntax_error)
    for problem in problems:
        at = At(problem.field, problem.mark.line)
        reading.fault(at, problem.message, problem.hint or _LOOK)
    if len(composed.documents) > 1:
        at = At("", composed.documents[1].root.mark.line)
        reading.fault(at, "there is a second document", "remove it and the --- above it")
    if composed.syntax_error is not None:
        return None
    if not composed.documents:
        reading.fault(_START, "says nothing", "write inbound, outbound or both")
        return None
    root = composed.documents[0].root
    try:
        configuration: Configuration = DOCUMENT.read(root, At("", root.mark.line), reading)
    except Wrong as wrong:
        reading.fault(At("", root.mark.line), wrong.text, wrong.remedy)
        return None
    except Unusable:
        return None
    return configuration
