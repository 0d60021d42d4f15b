"""Schemathesis over our own OpenAPI: whatever the schema allows, and much it does not, is never the server's fault."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.e2e.apilab import Api, Tree, shared

pytestmark = [pytest.mark.host, pytest.mark.slow]
SECONDS = 35
CORE = "api/v1"
_KNOWN = ("log", "exec", "attach", "portforward", "proxy")
"""Conversations: they have tests of their own, and a log of a running Pod has no end."""


@pytest.mark.parametrize("groups", ["core", "named"])
def test_no_generated_request_is_the_servers_fault(tmp_path: Path, groups: str) -> None:
    pytest.importorskip("schemathesis")
    with shared(tmp_path) as api:
        schema = tmp_path / "schema.json"
        documents = api.get("/openapi/v3").tree["paths"].keys()
        chosen = [document for document in documents if (document == CORE) is (groups == "core")]
        assert len(chosen) == 1 if groups == "core" else len(chosen) > 10
        schema.write_text(json.dumps(_writable(api, *chosen)))
        done = subprocess.run(
            [
                *(
                    sys.executable,
                    "-m",
                    "schemathesis.cli",
                    "run",
                    str(schema),
                    "--workers",
                    "2",
                    "--seed",
                    "1",
                ),
                *(
                    "--url",
                    f"https://127.0.0.1:{api.port}",
                    "--tls-verify",
                    "false",
                    "--max-time",
                    str(SECONDS),
                ),
                *("-H", f"Authorization: Bearer {api.token}", "--checks", "not_a_server_error"),
                *("--phases", "fuzzing", "--max-examples", "20", "--suppress-health-check", "all"),
                *(
                    "--request-timeout",
                    "10",
                    "--continue-on-failure",
                    "--no-color",
                    "--generation-database",
                    "none",
                ),
            ],
            capture_output=True,
            text=True,
            timeout=SECONDS * 3,
            cwd=tmp_path,
            check=False,
        )
        assert api.get("/readyz").code == 200
        assert done.returncode in (0, 1), done.stdout + done.stderr
        assert "InternalError" not in done.stdout, done.stdout
        api.until(lambda: api.long_running() == 0)


def _writable(api: Api, *documents: str) -> Tree:
    """Their operations, in the one namespace that there is: of others, all answers are 404."""
    whole: Tree = {}
    for document in documents:
        tree = api.get(f"/openapi/v3/{document}").tree
        tree["paths"] = {
            path.replace("{namespace}", "default"): _of_one_namespace(operations)
            for path, operations in tree["paths"].items()
            if path.rpartition("/")[2] not in _KNOWN and "/proxy" not in path and "/watch/" not in path
        }
        if not whole:
            whole = tree
        whole["paths"] |= tree["paths"]
        whole["components"]["schemas"] |= tree.get("components", {}).get("schemas", {})
    return whole


def _of_one_namespace(operations: Tree) -> Tree:
    for place in (operations, *(one for one in operations.values() if isinstance(one, dict))):
        if "parameters" in place:
            place["parameters"] = [p for p in place["parameters"] if p.get("name") != "namespace"]
    return operations
