"""What `pillion` refuses before anything runs: exit status 2 and words that say what to do."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from pillion.cli import main

POD = """\
apiVersion: v1
kind: Pod
metadata:
  name: p
spec:
  containers:
  - name: main
    image: box
    ports:
    - {containerPort: 80, name: http}
"""


def refused(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """What stderr says; the exit status is 2 and nothing is on stdout."""
    with pytest.raises(SystemExit) as ended:
        main(list(argv))
    said = capsys.readouterr()
    assert ended.value.code == 2
    assert said.out == ""
    assert "Traceback" not in said.err
    return said.err


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            POD.replace("kind: Pod", "kind: Deployment"),
            "nothing was run: 1 problem\nf.yaml:2:7: Deployment/p: kind: pillion does not run a Deployment yet",
        ),
        (POD.replace("kind: Pod", "kind: Pood"), "Pod"),
        (POD.replace("  name: p", "  name: [p"), "f.yaml:5:"),
        (
            POD.replace("image: box", "imagee: box"),
            'f.yaml:8:5: Pod/p: spec.containers[0].imagee: unknown field, did you mean "image"?',
        ),
        (
            "kind: ConfigMap\napiVersion: v1\nmetadata: {name: c}\n",
            "there is no Pod in f.yaml: nothing to run",
        ),
        ("", "f.yaml:1:1: there is no object in it"),
    ],
)
def test_a_manifest_that_cannot_be_run_is_refused_at_its_place(
    in_folder: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    Path("f.yaml").write_text(text)
    assert said in refused(capsys, "run", "f.yaml")


def test_all_problems_of_all_files_are_told_at_once(
    in_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("a.yaml").write_text(POD.replace("image: box", "image: ''").replace("80", "0"))
    Path("b.yaml").write_text(POD.replace("name: main", "name: Main"))
    lines = refused(capsys, "run", "a.yaml", "b.yaml").splitlines()
    assert lines[0] == "pillion: nothing was run: 4 problems"
    places = [line.split(" ")[0] for line in lines[1:] if line.startswith(("a.yaml", "b.yaml"))]
    assert places == ["a.yaml:8:5:", "a.yaml:10:23:", "b.yaml:1:1:", "b.yaml:7:11:"]


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("run", "absent.yaml"), "pillion: cannot read absent.yaml: No such file or directory\n"),
        (("run", "empty"), "pillion: cannot read empty: the folder holds no .yaml, .yml, .json file\n"),
        (("run", "binary.yaml"), "pillion: cannot read binary.yaml: it is not UTF-8 text"),
        (("run", "p.yaml", "--image", "box"), "cannot read --image box: expected NAME=SOURCE"),
        (("run", "p.yaml", "--image", "box=./absent"), "there is no file or folder"),
        (("run", "p.yaml", "--image", "B O X=host"), "is not an image name"),
        (("run", "p.yaml", "--image", "box=empty"), "empty"),
        (
            ("run", "p.yaml", "--publish", "80"),
            "cannot read --publish 80: expected [ADDRESS:]HOST_PORT:[[NAMESPACE/]POD/]PORT",
        ),
        (("run", "p.yaml", "--publish", "x:80"), "cannot read --publish x:80: x is not a port"),
        (("run", "p.yaml", "--publish", "70000:80"), "70000 is not a port"),
        (("run", "p.yaml", "--publish", "nowhere:80:80"), "nowhere is not an IPv4 address"),
        (("run", "p.yaml", "--timeout", "-1"), "--timeout"),
        (("run", "p.yaml", "-o", "yaml"), "'yaml' is not one of 'text', 'wide', 'json'"),
        (("run",), "Missing argument 'FILE...'"),
        (("rum",), "Did you mean 'run'?"),
    ],
)
def test_an_argument_that_cannot_be_is_refused(
    in_folder: Path, capsys: pytest.CaptureFixture[str], argv: tuple[str, ...], said: str
) -> None:
    Path("p.yaml").write_text(POD)
    Path("binary.yaml").write_bytes(b"\xff\xfe\x00")
    Path("empty").mkdir()
    assert said in refused(capsys, *argv)


@pytest.mark.parametrize(
    ("publish", "said"),
    [
        ("8080:other/80", "cannot publish 8080:other/80: there is no Pod other; Pods: p, q"),
        (
            "8080:http",
            "several Pods have that port (default/p, default/q); say which one: [NAMESPACE/]POD/PORT",
        ),
        ("8080:metrics", "cannot publish 8080:metrics: no Pod has a port metrics"),
    ],
)
@pytest.mark.host
def test_a_port_that_no_pod_has_is_refused(
    in_folder: Path, capsys: pytest.CaptureFixture[str], publish: str, said: str
) -> None:
    Path("p.yaml").write_text(POD + "---\n" + POD.replace("name: p\n", "name: q\n"))
    assert said in refused(capsys, "run", "p.yaml", "--publish", publish, "--state-dir", str(in_folder / "s"))


def test_the_same_object_twice_is_refused_with_both_places(
    in_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("p.yaml").write_text(POD)
    said = refused(capsys, "run", "p.yaml", "p.yaml")
    assert 'metadata.name: Duplicate value: "p"' in said
    assert "it is at p.yaml:1 already" in said


def test_problems_of_standard_input_are_told_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(POD.replace("image: box", "image: ''")))
    assert "-:8:5: Pod/p: spec.containers[0].image: Required value" in refused(capsys, "run", "-")


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    for command in ("run", "image", "completion"):
        assert f"\n  {command} " in said
