"""The way in: text to configuration, or everything that is wrong with it."""

from __future__ import annotations

import msgspec

from pillion.proxy.configuration.checking import check
from pillion.proxy.configuration.failure import ConfigurationError, Wrong, in_order
from pillion.proxy.configuration.reading import At, Reading
from pillion.proxy.configuration.sections import Unusable
from pillion.proxy.configuration.tables import DOCUMENT
from pillion.proxy.configuration.values import Configuration
from pillion.units.yamlscalars import resolve_core
from pillion.yamltree import compose

_START = At("", 1)


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
    return msgspec.structs.replace(configuration, file=file, warnings=warnings)


def _read(text: str, reading: Reading) -> Configuration | None:
    composed = compose(text, reading.file, resolve_core)
    problems = [problem for document in composed.documents for problem in document.problems]
    if composed.syntax_error is not None:
        problems.append(composed.syntax_error)
    for problem in problems:
        at = At(problem.field, problem.mark.line)
        reading.fault(at, problem.message, problem.hint)
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
