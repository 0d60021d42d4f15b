"""Files into documents: the format by the name, and what a file includes."""

from __future__ import annotations

from pathlib import PurePosixPath

from pillion.collector.configuration.classic import read_classic
from pillion.collector.configuration.document import Document, Files
from pillion.collector.configuration.failure import Complaints, Fault, Place

MAX_FILES = 1000
"""As Fluent Bit (`FLB_CF_FILE_NUM_LIMIT`)."""


def read_file(path: str, files: Files, complaints: Complaints, *, asked_at: Place) -> Document:
    """A file and all it includes. What cannot be read is a fault at `asked_at`, the place that names it."""
    return _Reader(path, files, complaints).read(path, asked_at)


def is_yaml(path: str) -> bool:
    """By its ending (`flb_cf_create_from_file`)."""
    return PurePosixPath(path).suffix.lower() in (".yaml", ".yml")


class _Reader:
    def __init__(self, path: str, files: Files, complaints: Complaints) -> None:
        self._folder = PurePosixPath(path).parent
        self._files = files
        self._complaints = complaints
        self._seen: set[str] = set()

    def read(self, path: str, asked_at: Place) -> Document:
        text = self._load(path, asked_at)
        if text is None:
            return Document()
        if is_yaml(path):
            from pillion.collector.configuration.yamlformat import read_yaml  # PyYAML is large

            folder = PurePosixPath(path).parent
            return read_yaml(
                text,
                path,
                lambda named, place: self._include(named, place, folder, is_yaml=True),
                self._complaints,
            )
        return read_classic(
            text,
            path,
            lambda named, place: self._include(named, place, self._folder, is_yaml=False),
            self._complaints,
        )

    def _include(self, named: str, place: Place, folder: PurePosixPath, *, is_yaml: bool) -> Document:
        """A path or a pattern.

        In YAML it is below the folder of the file that names it; in the classic format a path is looked for in the
        working folder first, and then, as a pattern always is, in the folder of the first file.
        """
        below = str(folder / named)
        if "*" in named:
            paths = self._files.matching(below)
            if not paths:
                text = f"{named} matches no file in {folder}; Fluent Bit refuses that"
                self._complaints.fault(Fault(place=place, text=text))
        elif not is_yaml and self._files.exists(named):
            paths = [named]
        else:
            paths = [below]
        found = [self.read(path, place) for path in paths]
        return Document(
            sections=tuple(section for document in found for section in document.sections),
            variables=tuple(variable for document in found for variable in document.variables),
        )

    def _load(self, path: str, asked_at: Place) -> str | None:
        identity = self._files.identity(path)
        place, text = asked_at, ""
        if identity in self._seen:
            text = f"{path} is read twice"
        elif len(self._seen) >= MAX_FILES:
            text = f"more than {MAX_FILES} files"
        else:
            self._seen.add(identity)
            try:
                return self._files.load(path).decode("utf-8-sig")
            except UnicodeDecodeError as error:
                place, text = Place(path, error.object[: error.start].count(b"\n") + 1), "is not UTF-8"
            except OSError as error:
                text = f"cannot read {path}: {error.strerror or error}"
        self._complaints.fatal(Fault(place=place, text=text))
        return None
