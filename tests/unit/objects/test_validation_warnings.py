"""What is accepted with a warning."""

from __future__ import annotations

import pytest
from tests.unit.objects.basepod import Tree, main, pod_with, spec

from pillion.objects.validation import warnings

WARNED: dict[str, tuple[Tree, list[str]]] = {
    "nothing": ({}, []),
    "a variable hidden": (
        main(env=[{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]),
        [
            (
                'spec.containers[0].env[1]: hides previous definition of "A", '
                "which may be dropped when using apply"
            )
        ],
    ),
    "a variable built upon": (
        main(env=[{"name": "A", "value": "1"}, {"name": "A", "value": "$(A):2"}]),
        [],
    ),
    "a negative grace": (
        spec(terminationGracePeriodSeconds=-1),
        [
            (
                "spec.terminationGracePeriodSeconds: must be >= 0; "
                "negative values are invalid and will be treated as 1"
            )
        ],
    ),
    "a name that is no label": (
        {"metadata": {"name": "a.b"}},
        [
            (
                "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; "
                "a DNS label is recommended: [must not contain dots]"
            )
        ],
    ),
    "a port twice": (
        main(ports=[{"containerPort": 80}, {"containerPort": 80, "name": "http"}]),
        ["spec.containers[0].ports[1]: duplicate port definition with spec.containers[0].ports[0]"],
    ),
    "a port on the host and not": (
        main(ports=[{"containerPort": 80}, {"containerPort": 80, "hostPort": 8080}]),
        ["spec.containers[0].ports[1]: overlapping port definition with spec.containers[0].ports[0]"],
    ),
    "half a byte": (
        main(resources={"requests": {"memory": "500m"}}),
        [
            (
                'spec.containers[0].resources.requests[memory]: fractional byte value "500m" is invalid, '
                "must be an integer"
            )
        ],
    ),
    "pull secrets": (
        spec(imagePullSecrets=[{"name": "a"}, {"name": "a"}, {}]),
        [
            'spec.imagePullSecrets[1].name: duplicate name "a"',
            'spec.imagePullSecrets[2].name: invalid empty name ""',
        ],
    ),
}


@pytest.mark.parametrize(("change", "expected"), WARNED.values(), ids=WARNED.keys())
def test_kubernetes_warns_in_these_words(change: Tree, expected: list[str]) -> None:
    assert warnings(pod_with(change)) == expected
