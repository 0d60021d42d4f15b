"""Which database keeps the checkpoints of an input, and what is known when it cannot be had."""

from __future__ import annotations

import re
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from pillion.collector.inputs.tail.checkpoint import (
    Checkpoint,
    CheckpointStore,
    glimpsed,
    inherited,
    open_store,
)

if TYPE_CHECKING:
    from pillion.collector.inputs.tail.settings import TailSettings
    from pillion.collector.plugin import InputContext

_WITHOUT = "after a restart lines come twice or not"


class Opened(msgspec.Struct, kw_only=True):
    """An attempt to open it."""

    store: CheckpointStore | None = None
    known: list[Checkpoint] = msgspec.field(default_factory=list)
    existed: bool = False
    """There was a collector here before us."""
    problem: str = ""
    """Why there is no store."""
    is_hopeless: bool = False
    """Another attempt would end as this one did."""
    news: str = ""
    """What has to be said all the same."""


def opened_store(settings: TailSettings, context: InputContext) -> Opened:
    """In any thread: whoever asks says what has to be said."""
    if settings.db:
        file = Path(settings.db)
    elif context.checkpoint_folder is not None:
        file = context.checkpoint_folder / _file_name(settings)
    else:
        return Opened(problem=f"no folder for checkpoints can be written: {_WITHOUT}", is_hopeless=True)
    try:
        store, news = open_store(
            file,
            synchronous=settings.db_sync,
            journal_mode=settings.db_journal_mode,
            exclusive=settings.db_locking,
        )
        known = store.load()
        if not store.existed and not settings.db:
            known = inherited(store)
            store.existed = bool(known)
    except OSError as error:
        known, existed = glimpsed(file)
        return Opened(known=known, existed=existed, problem=f"cannot keep checkpoints: {error}: {_WITHOUT}")
    return Opened(store=store, known=known, existed=store.existed, news=news)


def _file_name(settings: TailSettings) -> str:
    """One store for each input: of the same input the same after a restart, whatever other inputs there are."""
    subject = "\0".join((settings.alias, settings.tag, *settings.path))
    name = re.sub("[^A-Za-z0-9._-]", "_", settings.alias) or "tail"
    return f"{name}-{blake2b(subject.encode(errors='surrogateescape'), digest_size=4).hexdigest()}.db"
