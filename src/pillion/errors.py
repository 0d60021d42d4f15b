"""Errors, by whose fault they are. The class says who has to act; the message says what to do.

    PillionError
    ├── ManifestError   the author of a manifest, or of an argument: shown with file:line: field
    ├── HostError       this machine: a program is missing, a permission, a full disk, a port in use
    ├── PeerError       somebody we talk to: a registry, another pillion
    └── Bug             us: an impossible state, with the story that led to it

The text of an error is a sentence for its reader: `cannot VERB OBJECT: CAUSE`, then what to do, when we know it.
"""


class PillionError(Exception):
    """Anything pillion says no with. Users see `str(error)` and never a traceback."""


class ManifestError(PillionError):
    """The manifest or the command line asks for something that cannot be."""


class HostError(PillionError):
    """This machine cannot do what was asked of it."""


class PeerError(PillionError):
    """The other side of a connection did not do its part."""


class Bug(PillionError):  # noqa: N818 - the word says whose fault it is
    """An invariant of ours does not hold."""


def leaves(error: BaseException) -> list[BaseException]:
    """The errors inside a group of tasks' errors; of a single one, itself."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in leaves(inner)]
    return [error]
