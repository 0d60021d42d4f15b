"""What is asked of pyroute2, and when it is loaded."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from pyroute2.netlink import NLM_F_DUMP_INTR, NLM_F_MULTI

from pillion.network.links import _dump


def test_a_dump_that_a_change_disturbed_is_asked_for_again() -> None:
    def message(index: int, flags: int = 0) -> dict[str, Any]:
        return {"index": index, "header": {"flags": NLM_F_MULTI | flags}}

    dumps = iter([[message(1), message(3, NLM_F_DUMP_INTR)], [message(1), message(2), message(3)]])
    assert [answer["index"] for answer in _dump(lambda _: next(dumps))] == [1, 2, 3]


def test_pyroute2_is_not_loaded_before_a_network_is_opened() -> None:
    program = "import sys, pillion.cli, pillion.network; sys.exit('pyroute2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], timeout=30).returncode == 0
