"""`pillion proxy --config FILE`, which looks at its files ten times a second: for tests of many updates."""

from __future__ import annotations

import os
import sys

from pillion.errors import PillionError
from pillion.proxy import application
from pillion.proxy.application.options import Options

if __name__ == "__main__":
    _, config, file = sys.argv
    assert config == "--config"
    try:
        sys.exit(application.run(Options(file=file, look_interval=0.1, environment=os.environ)))
    except PillionError as error:
        sys.exit(f"pillion: {error}")
