"""For all tests: who may run, and that nothing is left behind. (Warnings are errors: pyproject.toml.)"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from tests import leaks

PROGRAMS = ("runc", "conmon", "nft")


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("host") is None:
        return
    if os.geteuid() != 0:
        pytest.skip("needs root")
    if missing := [program for program in PROGRAMS if shutil.which(program) is None]:
        pytest.skip(f"needs {', '.join(missing)}: make host")


@pytest.fixture(autouse=True)
def nothing_is_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """After a host test: no process, mount, cgroup, link or nftables table of the state directories it used."""
    if request.node.get_closest_marker("host") is None:
        yield
        return
    if "tmp_path" in request.fixturenames:
        leaks.watch(str(request.getfixturevalue("tmp_path")))
    yield
    left = leaks.take_watched()
    if left:
        pytest.fail("left behind:\n" + "\n".join(left), pytrace=False)


@pytest.fixture(scope="session", autouse=True)
def machine_is_as_before() -> Iterator[None]:
    """At the end of everything: the machine has nothing of pillion's that it had not before.

    While another pillion works here what is new may be its own, so then nobody is blamed.
    """
    was_alone = not leaks.others_at_work()
    before = leaks.of_machine()
    yield
    after = leaks.of_machine()
    if after - before and was_alone and not leaks.others_at_work():
        pytest.fail("left behind by some test:\n" + "\n".join(sorted(after - before)), pytrace=False)
