"""The command line of `pillion collect`: Fluent Bit's options, in their order."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest

from pillion.cli import main
from pillion.cli.collect import _command_line, collect
from pillion.collector.configuration.document import Document


def parse(line: str) -> Document:
    context = collect.make_context("collect", line.split())
    return _command_line(context.params, context.meta["pillion.cli.collect"])


def shown(document: Document) -> list[tuple[str, list[tuple[str, str | tuple[str, ...]]]]]:
    return [
        (section.title, [(prop.key, prop.value) for prop in section.properties])
        for section in document.sections
    ]


def test_keys_belong_to_the_plugin_before_them() -> None:
    argv = "-i tail -p path=/a=b -t x -F grep -m x* -p Regex=log^a -i dummy -o stdout -m * -o null -p a=b"
    assert shown(parse(argv)) == [
        ("[INPUT]", [("name", "tail"), ("path", "/a=b"), ("tag", "x")]),
        ("[FILTER]", [("name", "grep"), ("match", "x*"), ("regex", "log^a")]),
        ("[INPUT]", [("name", "dummy")]),
        ("[OUTPUT]", [("name", "stdout"), ("match", "*")]),
        ("[OUTPUT]", [("name", "null"), ("a", "b")]),
    ]


def test_the_other_options_are_keys_of_the_service() -> None:
    argv = "-f 2 -R a.conf -R b.conf -b /s -l /l -H -L 127.0.0.1 -P 2021 -Y -s 4096 -vv"
    assert shown(parse(argv)) == [
        (
            "[SERVICE]",
            [
                ("flush", "2"),
                ("parsers_file", "a.conf"),
                ("parsers_file", "b.conf"),
                ("storage.path", "/s"),
                ("log_file", "/l"),
                ("http_server", "on"),
                ("http_listen", "127.0.0.1"),
                ("http_port", "2021"),
                ("hot_reload", "on"),
                ("coro_stack_size", "4096"),
                ("log_level", "trace"),
            ],
        )
    ]


def test_long_options_and_quiet() -> None:
    argv = "--flush=3 --input dummy --prop a=b --output=null --match * --quiet --http_server --port=1"
    assert shown(parse(argv)) == [
        ("[INPUT]", [("name", "dummy"), ("a", "b")]),
        ("[OUTPUT]", [("name", "null"), ("match", "*")]),
        ("[SERVICE]", [("flush", "3"), ("http_server", "on"), ("http_port", "1"), ("log_level", "off")]),
    ]


def test_output_json_names_no_plugin_with_check() -> None:
    assert [title for title, _ in shown(parse("--check -o json -o null"))] == ["[OUTPUT]"]
    assert shown(parse("-o json")) == [("[OUTPUT]", [("name", "json")])]


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ("-p a=b -i tail", "a=b: -p, -m and -t stand behind the -i, -F or -o that they belong to"),
        ("-i tail -p a", "-p a: write it as KEY=VALUE"),
        ("-i tail -m x", "-m x: an input has a tag, filters and outputs have a match"),
        ("-e x.so -i tail", "-e: plugins in shared libraries cannot be loaded"),
        ("-C x", "-C: custom plugins are not supported"),
        ("-T x", "-T: there is no stream processor"),
        ("-d", "-d: it stays in the foreground"),
    ],
)
def test_what_makes_no_sense_is_said(argv: str, said: str) -> None:
    with pytest.raises(click.UsageError) as caught:
        parse(argv)
    assert said in caught.value.format_message()


# ── as a command ─────────────────────────────────────────────────────────────────────────────────────────────────────
def ran(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[object, str, str]:
    """Exit status, stdout, stderr."""
    with pytest.raises(SystemExit) as ended:
        main(["collect", *argv])
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    return ended.value.code, said.out, said.err


FAULTY = "[INPUT]\n    Name dmmy\n[OUTPUT]\n    Name nul\n    Match *\n"


def test_check_says_all_that_is_wrong_and_fails(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "fb.conf"
    file.write_text(FAULTY)
    wanted = [
        f"{file}:2: [INPUT]: there is no input 'dmmy'; did you mean dummy?",
        f"{file}:4: [OUTPUT]: there is no output 'nul'; did you mean null?",
    ]
    for option in ("--check", "--dry-run"):
        status, out, err = ran(capsys, "-c", str(file), option)
        assert (status, out, err.splitlines()) == (1, "", wanted)
    status, out, err = ran(capsys, "-c", str(file), "--check", "-o", "json")
    assert (status, err) == (1, "")
    said = json.loads(out)
    assert (said["usable"], said["errors"]) == (False, wanted)


def test_a_faulty_configuration_does_not_run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "fb.conf"
    file.write_text(FAULTY)
    status, _, err = ran(capsys, "-c", str(file))
    assert status == 2
    assert err.startswith(f"pillion: {file}:2: [INPUT]")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ("", "Missing option '-c': the configuration (or -i and -o)."),
        ("-c /no/such.conf", "command line: cannot read /no/such.conf: No such file or directory"),
        ("-w /no/such -i dummy", "cannot work in /no/such: No such file or directory"),
        ("-c / --check", "command line: cannot read /: Is a directory"),
    ],
)
def test_what_cannot_begin_says_why(capsys: pytest.CaptureFixture[str], argv: str, said: str) -> None:
    _, _, err = ran(capsys, *argv.split())
    assert said in err


def test_check_of_a_configuration_that_can_be_used(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ("-i", "dummy", "-t", "a", "-o", "stdout", "-m", "b", "-o", "null", "-m", "*")
    status, out, err = ran(capsys, *argv, "--check")
    assert status == 0
    assert err == "command line: [OUTPUT] stdout: match: b meets the tag of no input\n"
    said = out.splitlines()
    assert said[0] == "the command line can be used: 1 input, 0 filters, 2 outputs"
    assert any("[OUTPUT] stdout: retry_limit: no_limits; Fluent Bit: 1 (" in line for line in said)
    status, out, _ = ran(capsys, *argv, "--dry-run")
    assert (status, out) == (0, f"{said[0]}\n")
    _, out, err = ran(capsys, *argv, "--check", "-o", "json")
    report = json.loads(out)
    assert (report["usable"], report["errors"], len(report["warnings"]), err) == (True, [], 1, "")
    assert {"place", "subject", "ours", "fluent_bit", "why"} == set(report["differences"][0])


def test_check_builds_parsers_and_finds_bad_expressions(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "p.conf").write_text("[PARSER]\n    Name a\n    Format regex\n    Regex (open\n")
    (tmp_path / "fb.conf").write_text(
        "[SERVICE]\n    Parsers_File p.conf\n[INPUT]\n    Name dummy\n[OUTPUT]\n    Name null\n"
    )
    status, out, err = ran(capsys, "-c", str(tmp_path / "fb.conf"), "--check")
    assert (status, out) == (1, "")
    assert err.startswith(f"{tmp_path}/p.conf:1")
