"""The models are ours whatever lightkube does in the same process: before, after, installed or not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

FAKE = {
    "__init__.py": "from lightkube.models import core_v1\nPod = core_v1.Pod\n",
    "core/__init__.py": "",
    "core/schema.py": "from dataclasses import dataclass, field\nclass DictMixin: pass\n",
}
OURS = "from pillion.objects.models import core_v1, DictMixin\nassert issubclass(core_v1.Pod, DictMixin)\n"
THEIRS = "import lightkube, dataclasses\nassert dataclasses.is_dataclass(lightkube.Pod)\n"
APART = "assert lightkube.Pod is not core_v1.Pod\n"


@pytest.fixture
def lightkube(tmp_path: Path) -> Path:
    """A lightkube package as its own distribution lays it: next to the models, as far as Python can see."""
    import lightkube.models

    (tmp_path / "lightkube" / "models").parent.mkdir()
    for name, text in FAKE.items():
        path = tmp_path / "lightkube" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    (tmp_path / "lightkube" / "models").symlink_to(next(iter(lightkube.models.__path__)))
    return tmp_path


@pytest.mark.parametrize("order", [OURS + THEIRS + APART, THEIRS + OURS + APART])
def test_lightkube_and_pillion_each_have_their_own_models(lightkube: Path, order: str) -> None:
    code = f"import sys; sys.path.insert(0, {str(lightkube)!r})\n{order}"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_loading_the_models_runs_nothing_of_lightkube() -> None:
    code = OURS + "import sys\nassert not [name for name in sys.modules if name.startswith('lightkube')]"
    subprocess.run([sys.executable, "-c", code], check=True)
