"""`python -m pillion_agent`: settings from flags, then environment, then defaults."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(prog="pillion_agent", description="A sentiment agent.")
    environment = os.environ
    parser.add_argument("--host", default=environment.get("LISTEN_HOST", "0.0.0.0"))
    parser.add_argument("--port", type=int, default=environment.get("LISTEN_PORT", "8000"))
    parser.add_argument("--metrics-port", type=int, default=environment.get("METRICS_LISTEN_PORT", "8001"))
    parser.add_argument("--log-file", type=Path, default=environment.get("LOG_FILE") or None)
    arguments = parser.parse_args()

    from pillion_agent.server import Settings, run  # after --help, which needs no web framework

    try:
        run(Settings(arguments.host, arguments.port, arguments.metrics_port, arguments.log_file))
    except OSError as error:
        sys.exit(f"cannot start the agent: {error}")


if __name__ == "__main__":
    main()
