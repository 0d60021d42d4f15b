"""The hand-written reference is complete: every field, reason, key and record type is named, and none that is gone."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from tests.architecture.pages import ROOT, table_words

from pillion.cli import EXIT_NOT_RUN
from pillion.cli.run import _SIGNALS, EXIT_FAILED, EXIT_TIMEOUT
from pillion.containers.images.failure import PullFailure
from pillion.containers.images.hostimage import _KEYS
from pillion.containers.images.standins import _STAND_INS
from pillion.objects.models import core_v1
from pillion.proxy.application.eventrecords import Reason as ProxyReason

REFERENCE = ROOT / "docs/reference"
SOURCE = ROOT / "src/pillion"
REASON = re.compile(r"[A-Z][a-z]+[A-Za-z]+")


@pytest.mark.parametrize(
    "model",
    [
        core_v1.PodSpec,
        core_v1.Container,
        core_v1.Volume,
        core_v1.VolumeMount,
        core_v1.SecurityContext,
        core_v1.PodSecurityContext,
        core_v1.Lifecycle,
        core_v1.EnvVarSource,
        core_v1.VolumeProjection,
    ],
    ids=lambda model: model.__name__,
)
def test_every_field_of_a_pod_is_in_the_reference(model: type[core_v1.PodSpec]) -> None:
    named = table_words(REFERENCE / "pod-fields.md") | {"name"}
    assert [field for field in model.__struct_fields__ if field not in named] == []


def reasons_in(package: str) -> set[str]:
    """Constants given as `reason=`, or as the second argument of `note(type, reason, …)`."""
    found: set[str] = set()
    for path in (SOURCE / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            values = [keyword.value for keyword in node.keywords if keyword.arg == "reason"]
            called = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            if called == "note" and len(node.args) > 1:
                values.append(node.args[1])
            found |= {
                v.value for v in values if isinstance(v, ast.Constant) and REASON.fullmatch(str(v.value))
            }
    return found


@pytest.mark.parametrize("package", ["lifecycle", "node", "containers", "plan"])
def test_every_reason_is_in_the_reference(package: str) -> None:
    found = reasons_in(package)
    assert found, f"no reason is found in {package}: this test looks at the wrong place"
    assert found - table_words(REFERENCE / "reasons.md") == set()


def test_every_reason_why_there_is_no_image_is_in_the_reference() -> None:
    assert {str(failure) for failure in PullFailure} <= table_words(REFERENCE / "reasons.md")


def test_every_reason_of_the_proxys_events_is_in_the_reference() -> None:
    assert {str(reason) for reason in ProxyReason} <= table_words(REFERENCE / "reasons.md")


def test_every_exit_status_is_in_the_reference() -> None:
    text = (REFERENCE / "exit-status.md").read_text()
    listed = {int(number) for number in re.findall(r"(?m)^\| (\d+) \|", text)}
    assert listed == {0, EXIT_FAILED, EXIT_NOT_RUN, EXIT_TIMEOUT, *_SIGNALS.values()}


def test_every_key_of_an_image_description_is_in_the_reference() -> None:
    assert set(_KEYS) <= table_words(REFERENCE / "image-description.md")


def test_every_stand_in_is_in_the_guide() -> None:
    named = table_words(ROOT / "docs/howto/images-offline.md")
    familiar = {known.removeprefix("docker.io/").removeprefix("library/") for known in _STAND_INS}
    assert familiar - named == set()


def test_every_type_of_a_json_record_is_in_the_reference() -> None:
    said = set()
    for node in ast.walk(ast.parse((SOURCE / "cli/jsonwatcher.py").read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "_say":
            said |= {arg.value for arg in node.args[:1] if isinstance(arg, ast.Constant)}
    text = (REFERENCE / "json-output.md").read_text()
    assert said == set(re.findall(r"(?m)^\| `(\w+)` \|", text)) - {"type"}


def test_every_decision_is_in_the_index_under_its_number() -> None:
    index = (ROOT / "docs/decisions/README.md").read_text()
    listed = re.findall(r"(?m)^(\d+)\. \[[^]]+\]\(([^)]+)\)$", index)
    pages: list[Path] = sorted((ROOT / "docs/decisions").glob("[0-9]*.md"))
    assert [(str(int(page.name[:4])), page.name) for page in pages] == listed
