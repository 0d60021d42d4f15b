"""Reading the FILE arguments: files, folders and `-`, with all problems of all of them at once."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from pillion.daemon.run import Ask
from pillion.errors import ManifestError
from pillion.inject import add_identity, check_identity
from pillion.manifest import ManifestProblems, Problem, read_manifests
from pillion.objects import FieldError, decode, default, encode
from pillion.objects.models import core_v1, meta_v1

SUFFIXES = (".yaml", ".yml", ".json")


def read_ask(files: tuple[str, ...], namespace: str) -> Ask:
    """The objects of all files. Raises ManifestError with every problem, each with file:line:column."""
    pods: list[core_v1.Pod] = []
    config_maps: list[core_v1.ConfigMap] = []
    secrets: list[core_v1.Secret] = []
    problems: list[Problem] = []
    places: dict[tuple[str, str, str], str] = {}
    for name, text in _texts(files):
        manifest = read_manifests(text, name)
        problems += manifest.problems
        for found in manifest.objects:
            obj = found.object
            if not isinstance(obj, core_v1.Pod | core_v1.ConfigMap | core_v1.Secret):
                continue  # a Namespace: accepted, nothing to run about it
            obj = _in_namespace(obj, namespace)
            meta = obj.metadata or meta_v1.ObjectMeta()
            kind = type(obj).__name__
            key = (kind, meta.namespace or "", meta.name or "")
            if meta.name and key in places:
                problems.append(
                    Problem(
                        file=name,
                        mark=found.mark,
                        object_ref=f"{kind}/{meta.name}",
                        field="metadata.name",
                        message=f'Duplicate value: "{meta.name}"',
                        hint=f"it is at {places[key]} already",
                    )
                )
                continue
            places[key] = f"{name}:{found.mark.line}"
            if isinstance(obj, core_v1.Pod):
                obj, errors = _with_identity(obj)
                problems += [
                    Problem(
                        file=name,
                        mark=found.mark,
                        object_ref=f"{kind}/{meta.name or meta.generateName}",
                        field=error.field,
                        message=error.body,
                    )
                    for error in errors
                ]
            match obj:
                case core_v1.Pod():
                    pods.append(obj)
                case core_v1.ConfigMap():
                    config_maps.append(obj)
                case core_v1.Secret():
                    secrets.append(obj)
    if problems:
        raise ManifestProblemsOfFiles(problems)
    if not pods:
        raise ManifestError(f"there is no Pod in {', '.join(files)}: nothing to run")
    return Ask(pods=tuple(pods), config_maps=tuple(config_maps), secrets=tuple(secrets))


class ManifestProblemsOfFiles(ManifestError):  # noqa: N818 - it carries several
    """Every problem, file by file."""

    def __init__(self, problems: list[Problem]) -> None:
        by_file: dict[str, list[Problem]] = {}
        for problem in problems:
            by_file.setdefault(problem.file, []).append(problem)
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        lines = "\n".join(str(ManifestProblems(found)) for found in by_file.values())
        super().__init__(f"nothing was run: {count}\n{lines}")


def _texts(files: tuple[str, ...]) -> list[tuple[str, str]]:
    texts: list[tuple[str, str]] = []
    for name in files:
        if name == "-":
            texts.append((name, sys.stdin.read()))
            continue
        path = Path(name)
        try:
            if path.is_dir():
                inside = sorted(p for p in path.iterdir() if p.suffix in SUFFIXES and p.is_file())
                if not inside:
                    raise ManifestError(f"cannot read {name}: the folder holds no {', '.join(SUFFIXES)} file")
                texts += [(str(p), p.read_text("utf-8")) for p in inside]
            else:
                texts.append((name, path.read_text("utf-8")))
        except OSError as error:
            raise ManifestError(f"cannot read {name}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise ManifestError(
                f"cannot read {name}: it is not UTF-8 text ({error.reason} at byte {error.start})"
            ) from error
    return texts


def _with_identity(pod: core_v1.Pod) -> tuple[core_v1.Pod, list[FieldError]]:
    """The Pod as admission would leave it, or what is wrong with its annotation."""
    tree = encode(pod)
    if errors := check_identity(tree):
        return pod, errors
    added = add_identity(tree)
    return (pod, []) if added is tree else (default(decode(core_v1.Pod, added)[0]), [])


def _in_namespace(
    obj: core_v1.Pod | core_v1.ConfigMap | core_v1.Secret, namespace: str
) -> core_v1.Pod | core_v1.ConfigMap | core_v1.Secret:
    meta = obj.metadata or meta_v1.ObjectMeta()
    if meta.namespace:
        return obj
    return msgspec.structs.replace(obj, metadata=msgspec.structs.replace(meta, namespace=namespace))
