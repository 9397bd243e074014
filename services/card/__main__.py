"""Runs a node of this tier: `python -m services.card node.toml`."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

from services.card.app import build
from services.card.config import Config
from services.foundation.main import main

if __name__ == "__main__":
    # PINs pass through this process, so its memory never goes to a file.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.exit(main(Config, build, Path(__file__).parent / "migrations"))
