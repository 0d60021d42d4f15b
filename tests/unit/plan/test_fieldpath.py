"""Fields of a Pod as text."""

import pytest

from pillion.objects.models import core_v1, meta_v1
from pillion.plan.fieldpath import extract_field, format_map
from pillion.plan.references import ConfigError

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
        ("metadata.labels", 'app="agent"\napp-tier="edge"\nzone="a\\"b\\\\c"'),
        ("metadata.annotations['note']", "b\na\nc"),
        ("metadata.annotations", 'greeting="grüß\\tdich\\u200b🧿\\a\\x01"\nnote="b\\na\\nc"'),
    ],
)
def test_a_field_becomes_text(path: str, text: str) -> None:
    assert extract_field(POD, path) == text


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("spec.nodeName", "unsupported fieldPath: spec.nodeName"),
        ("status.podIP", "unsupported fieldPath: status.podIP"),
        ("metadata.labels[app]", "unsupported fieldPath: metadata.labels[app]"),
        ("metadata.name['x']", "fieldPath \"metadata.name['x']\" does not support subscript"),
    ],
)
def test_a_field_that_is_not_known_is_refused_in_kubernetes_words(path: str, message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        extract_field(POD, path)
    assert str(refused.value) == message


def test_an_empty_map_is_an_empty_file() -> None:
    assert format_map({}) == ""
