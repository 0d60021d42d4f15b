"""Modules stay small, well named, and pure where they promise it. What import-linter cannot see is looked up here."""

from __future__ import annotations

import ast
import tomllib
import warnings
from pathlib import Path

import pytest
from tests.architecture.pages import ROOT

SOURCE = ROOT / "src/pillion"
MODULES = sorted(SOURCE.rglob("*.py"))
TOO_LONG, LONG = 800, 500
BANNED = {
    "utils",
    "util",
    "helpers",
    "helper",
    "manager",
    "managers",
    "common",
    "misc",
    "base",
    "core",
    "shared",
}

_CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
PURE = [
    module.removeprefix("pillion.").replace(".", "/")
    for contract in _CONTRACTS
    if contract["id"] == "pure-core"
    for module in contract["source_modules"]
]
PURE_MODULES = [
    path
    for path in MODULES
    if any(path.is_relative_to(SOURCE / part) or path == SOURCE / f"{part}.py" for part in PURE)
]
IMPURE_NAMES = {"open", "input", "print", "exec", "eval"}
IMPURE_METHODS = {
    *(
        "read_text",
        "read_bytes",
        "write_text",
        "write_bytes",
        "mkdir",
        "unlink",
        "rmdir",
        "touch",
        "chmod",
        "iterdir",
    ),
    *("rglob", "glob", "stat", "lstat", "resolve", "is_file", "is_dir", "is_symlink", "symlink_to"),
    *("now", "utcnow", "today", "cwd", "home", "expanduser"),
}
"""Of pathlib.Path and datetime. A pure package that needs one of these names for itself picks another word."""
IMPURE_IMPORTS = {
    "pathlib.Path",
    "io",
    "uuid",
    "glob",
    "locale",
    "platform",
    "getpass",
    "pwd",
    "grp",
    "contextvars",
}


def module_name(path: Path) -> str:
    return str(path.relative_to(SOURCE))


def test_no_module_is_too_long() -> None:
    lengths = {module_name(path): len(path.read_text().splitlines()) for path in MODULES}
    for name, length in lengths.items():
        if LONG < length <= TOO_LONG:
            with warnings.catch_warnings():
                warnings.simplefilter("default")
                warnings.warn(f"{name} has {length} lines: more than one idea?", stacklevel=1)
    assert {name: length for name, length in lengths.items() if length > TOO_LONG} == {}


def test_no_module_is_a_drawer() -> None:
    assert [
        module_name(path) for path in MODULES if {path.stem, *path.relative_to(SOURCE).parts} & BANNED
    ] == []


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_a_module_says_what_it_is(path: Path) -> None:
    text = ast.get_docstring(ast.parse(path.read_text())) or ""
    if path.name == "__main__.py":
        return
    assert text, "a module begins with a docstring"
    assert "To be written" not in text


def impurities(tree: ast.Module) -> list[str]:
    """Where a module reads a clock or touches the host by a name that is not an import of a forbidden module."""
    found = []
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=name)) if name in IMPURE_NAMES:
                found.append(f"line {node.lineno}: {name}()")
            case ast.Call(func=ast.Attribute(attr=attr)) if attr in IMPURE_METHODS:
                found.append(f"line {node.lineno}: .{attr}()")
            case ast.Import(names=names):
                found += [f"line {node.lineno}: import {n.name}" for n in names if n.name in IMPURE_IMPORTS]
            case ast.ImportFrom(module=module, names=names):
                found += [
                    f"line {node.lineno}: from {module} import {n.name}"
                    for n in names
                    if module in IMPURE_IMPORTS or f"{module}.{n.name}" in IMPURE_IMPORTS
                ]
            case ast.AsyncFunctionDef() | ast.Await() | ast.AsyncFor() | ast.AsyncWith():
                found.append(f"line {node.lineno}: waits")
            case ast.Global():
                found.append(f"line {node.lineno}: global {', '.join(node.names)}")
            case _:
                pass
    return found


def test_the_pure_packages_are_found() -> None:
    assert {"lifecycle", "plan", "status", "objects"} <= set(PURE)
    assert len(PURE_MODULES) > 50


@pytest.mark.parametrize("path", PURE_MODULES, ids=module_name)
def test_a_pure_module_does_not_wait_read_a_clock_or_touch_the_host(path: Path) -> None:
    assert impurities(ast.parse(path.read_text())) == []


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("open('x')", "line 1: open()"),
        ("Path('x').read_text()", "line 1: .read_text()"),
        ("from pathlib import Path", "line 1: from pathlib import Path"),
        ("datetime.datetime.now()", "line 1: .now()"),
        ("import uuid", "line 1: import uuid"),
        ("async def wait(): ...", "line 1: waits"),
    ],
)
def test_an_impurity_is_seen(code: str, found: str) -> None:
    assert impurities(ast.parse(code)) == [found]


def test_purepath_is_pure() -> None:
    assert impurities(ast.parse("from pathlib import PurePosixPath\nPurePosixPath('a') / 'b'")) == []
