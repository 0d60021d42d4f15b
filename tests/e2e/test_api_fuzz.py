"""Schemathesis over our own OpenAPI: whatever the schema allows, and much it does not, is never the server's fault."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.e2e.apilab import Api, shared

pytestmark = [pytest.mark.host, pytest.mark.slow]
SECONDS = 35
DOCUMENTS = ("api/v1",)
_KNOWN = ("log", "exec", "attach", "portforward", "proxy")
"""Conversations: they have tests of their own, and a log of a running Pod has no end."""


@pytest.mark.parametrize("document", DOCUMENTS)
def test_no_generated_request_is_the_servers_fault(tmp_path: Path, document: str) -> None:
    pytest.importorskip("schemathesis")
    with shared(tmp_path) as api:
        schema = tmp_path / "schema.json"
        schema.write_text(json.dumps(_writable(api, document)))
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


def _writable(api: Api, document: str) -> dict[str, object]:
    tree: dict[str, object] = api.get(f"/openapi/v3/{document}").tree
    paths = tree["paths"]
    assert isinstance(paths, dict)
    tree["paths"] = {
        path: operations
        for path, operations in paths.items()
        if path.rpartition("/")[2] not in _KNOWN and "/proxy" not in path and "/watch/" not in path
    }
    return tree
