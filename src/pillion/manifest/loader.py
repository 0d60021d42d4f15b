"""A manifest's text into objects: decoded, defaulted, validated, and every complaint with its place in the text."""

from __future__ import annotations

import msgspec

from pillion import objects
from pillion.manifest import kinds
from pillion.manifest.problems import ManifestProblems
from pillion.objects import DecodeProblem, DictMixin, Fault, core_v1
from pillion.yamltree import (
    Document,
    MappingNode,
    Mark,
    Node,
    Problem,
    ScalarNode,
    SequenceNode,
    build_tree,
    compose,
    locate,
    locate_child,
)


class ManifestObject(msgspec.Struct, frozen=True):
    """One object of a manifest, defaulted, with the place where it begins."""

    object: DictMixin
    mark: Mark


class Manifest(msgspec.Struct, frozen=True):
    file: str
    objects: tuple[ManifestObject, ...]
    """In the order of the text; the items of a List in its place. With problems, those that could be read."""
    problems: tuple[Problem, ...]


def load_manifests(text: str, file: str) -> Manifest:
    """The objects of a manifest without problems. Raises ManifestProblems with all of them otherwise.

    `file` is the name to report: the path as the user gave it, or `-`.
    """
    manifest = read_manifests(text, file)
    if manifest.problems:
        raise ManifestProblems(manifest.problems)
    return manifest


def read_manifests(text: str, file: str) -> Manifest:
    """What can be read of a manifest, and everything that is wrong with it. Raises nothing."""
    composed = compose(text, file)
    found: list[ManifestObject] = []
    problems: list[Problem] = []
    for document in composed.documents:
        reader = _DocumentReader(document, file)
        reader.read(document.root, "")
        found += reader.objects
        problems += reader.problems
    if composed.syntax_error is not None:
        problems.append(composed.syntax_error)
    elif not composed.documents:
        hint = "a manifest starts with apiVersion and kind"
        problems.append(Problem(file=file, mark=Mark(1, 1), message="there is no object in it", hint=hint))
    return Manifest(file, tuple(found), tuple(sorted(problems, key=lambda problem: problem.mark)))


class _DocumentReader:
    def __init__(self, document: Document, file: str) -> None:
        self.objects: list[ManifestObject] = []
        self.problems: list[Problem] = []
        self._file = file
        self._unclaimed = list(document.problems)

    def read(self, root: Node, path: str) -> None:
        """The object at `path` of the document, or the objects of the list there."""
        ref = ""
        if not isinstance(root, MappingNode):
            hint = "a manifest starts with apiVersion and kind"
            self._add(root.mark, ref, "", f"expected a mapping, found {_describe(root)}", hint)
        elif _is_list(root):
            self._read_items(root, path)
        else:
            ref = _object_ref(root)
            self._read_object(root, ref)
        self._claim(path, ref)

    def _read_items(self, root: MappingNode, path: str) -> None:
        items = root.pairs["items"].node if "items" in root.pairs else SequenceNode(root.mark, ())
        inside = f"{path}.items" if path else "items"
        if not isinstance(items, SequenceNode):
            self._add(root.pairs["items"].key, "List", "items", f"expected a list, found {_describe(items)}")
            return
        for index, item in enumerate(items.items):
            self.read(item, f"{inside}[{index}]")

    def _read_object(self, root: MappingNode, ref: str) -> None:
        model = self._model(root, ref)
        if model is None:
            return
        decoded, decode_problems = objects.decode(model, build_tree(root))
        for problem in decode_problems:
            self._add_decode_problem(root, ref, problem, is_secret=model is core_v1.Secret)
        objects.default(decoded)
        for error in objects.validate(decoded):
            if not _follows_from(error.field, decode_problems):
                mark = locate(root, error.field).mark
                self._add(mark, ref, error.field, error.body)
        self.objects.append(ManifestObject(decoded, root.mark))

    def _model(self, root: MappingNode, ref: str) -> type[DictMixin] | None:
        texts: dict[str, str] = {}
        for field, example in (("apiVersion", "v1"), ("kind", "Pod")):
            pair = root.pairs.get(field)
            if pair is None or (isinstance(pair.node, ScalarNode) and pair.node.value in (None, "")):
                mark = pair.key if pair else root.mark
                self._add(mark, ref, field, "Required value", f"like {field}: {example}")
            elif not isinstance(pair.node, ScalarNode) or not isinstance(pair.node.value, str):
                self._add(pair.key, ref, field, f"expected a string, found {_describe(pair.node)}")
            else:
                texts[field] = pair.node.value
        if "kind" not in texts:
            return None
        model = kinds.runnable_class(texts.get("apiVersion", "v1"), texts["kind"])
        if isinstance(model, kinds.KindProblem):
            mark = locate(root, model.field).mark
            self._add(mark, ref, model.field, model.message, model.hint)
            return None
        return model

    def _add_decode_problem(self, root: Node, ref: str, problem: DecodeProblem, *, is_secret: bool) -> None:
        hint = problem.hint
        if problem.fault is Fault.UNKNOWN_FIELD:
            # A key of the author's own making may hold dots and brackets, so it is not looked up as a path.
            parent = locate(root, problem.parent)
            name = problem.path.removeprefix(problem.parent).removeprefix(".")
            mark = locate_child(parent, name).key
        else:
            place = locate(root, problem.path)
            mark = place.mark
            if problem.fault is Fault.UNQUOTED and isinstance(place.node, ScalarNode) and not is_secret:
                hint = f'{hint}: "{place.node.text}"'
        self._add(mark, ref, problem.path, problem.message, hint)

    def _claim(self, path: str, ref: str) -> None:
        """Report what the composer found inside this object, under the object's name and with its own paths."""
        rest = []
        for problem in self._unclaimed:
            inside = problem.field.removeprefix(path)
            if inside == problem.field and path:
                rest.append(problem)
            else:
                self._add(problem.mark, ref, inside.removeprefix("."), problem.message, problem.hint)
        self._unclaimed = rest

    def _add(self, mark: Mark, ref: str, field: str, message: str, hint: str = "") -> None:
        self.problems.append(
            Problem(file=self._file, mark=mark, object_ref=ref, field=field, message=message, hint=hint)
        )


def _is_list(root: MappingNode) -> bool:
    """`List`, or the list of a kind, `PodList`, as `kubectl get -o yaml` may print it."""
    kind = _text(root, "kind")
    if _text(root, "apiVersion") != "v1" or not kind.endswith("List"):
        return False
    return kind == "List" or kind.removesuffix("List") in kinds.RUN_KINDS


def _object_ref(root: MappingNode) -> str:
    kind = _text(root, "kind")
    metadata = root.pairs.get("metadata")
    name = _text(metadata.node, "name") if metadata and isinstance(metadata.node, MappingNode) else ""
    return f"{kind}/{name}" if kind and name else kind


def _text(root: MappingNode, key: str) -> str:
    pair = root.pairs.get(key)
    return (
        pair.node.value
        if pair and isinstance(pair.node, ScalarNode) and isinstance(pair.node.value, str)
        else ""
    )


def _describe(node: Node) -> str:
    match node:
        case ScalarNode(value=None):
            return "nothing"
        case ScalarNode(value=str()):
            return "a string"
        case ScalarNode():
            return "a number" if not isinstance(node.value, bool) else node.text
        case SequenceNode():
            return "a list"
        case MappingNode():
            return "a mapping"


def _follows_from(field: str, decode_problems: list[DecodeProblem]) -> bool:
    """Whether a field is judged by a value that nobody wrote: the decoder could not read the one in the text."""
    for problem in decode_problems:
        meant = f"{problem.parent}.{problem.meant}" if problem.parent else problem.meant
        cause = meant if problem.fault is Fault.UNKNOWN_FIELD else problem.path
        if cause and (field == cause or field.startswith((f"{cause}.", f"{cause}["))):
            return True
    return False
