"""Fields of a Pod as the text of a downward API file."""

import pytest

from pillion.objects.models import core_v1, meta_v1
from pillion.volumes.failure import VolumeError
from pillion.volumes.fieldpath import field_text, format_map, quote

POD = core_v1.Pod(
    metadata=meta_v1.ObjectMeta(
        name="agent",
        namespace="team",
        uid="u-1",
        labels={"app": "agent", "app-tier": "edge", "zone": 'a"b\\c'},
        annotations={"note": "b\na\nc", "greeting": "grüß\tdich\u200b\U0001f9ff\x07\x01"},
    ),
    spec=core_v1.PodSpec(containers=[]),
)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("metadata.name", "agent"),
        ("metadata.namespace", "team"),
        ("metadata.uid", "u-1"),
        ("metadata.labels['app']", "agent"),
        ("metadata.labels['missing']", ""),
        ("metadata.annotations['missing']", ""),
        # whole lines are sorted, and '-' sorts before '='
        ("metadata.labels", 'app-tier="edge"\napp="agent"\nzone="a\\"b\\\\c"'),
        # upstream sorts the lines of a single value too (downwardapi.go: sortLines)
        ("metadata.annotations['note']", "a\nb\nc"),
        ("metadata.annotations", 'greeting="grüß\\tdich\\u200b🧿\\a\\x01"\nnote="b\\na\\nc"'),
    ],
)
def test_a_field_becomes_the_text_of_a_file(path: str, text: str) -> None:
    assert field_text(POD, path) == text


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("spec.nodeName", "unsupported fieldPath: spec.nodeName"),
        ("status.podIP", "unsupported fieldPath: status.podIP"),
        ("metadata.labels[app]", "unsupported fieldPath: metadata.labels[app]"),
        ("metadata.name['x']", "fieldPath \"metadata.name['x']\" does not support subscript"),
    ],
)
def test_a_field_that_volumes_do_not_know_is_refused_in_kubernetes_words(path: str, message: str) -> None:
    with pytest.raises(VolumeError) as refused:
        field_text(POD, path)
    assert str(refused.value) == message


def test_an_empty_map_is_an_empty_file() -> None:
    assert format_map({}) == ""


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("plain", '"plain"'),
        ("", '""'),
        ("\x7f", '"\\x7f"'),
        ("\u00a0", '"\\u00a0"'),  # a blank that is not the ASCII one is not printable
        ("\U000e0001", '"\\U000e0001"'),
        ("日本", '"日本"'),
    ],
)
def test_text_is_quoted_as_go_quotes_it(text: str, quoted: str) -> None:
    assert quote(text) == quoted
