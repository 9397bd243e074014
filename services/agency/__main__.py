"""Runs a node of this tier: `python -m services.agency node.toml`."""

from __future__ import annotations

import sys
from pathlib import Path

from services.agency.app import build
from services.agency.config import Config
from services.foundation.main import main

if __name__ == "__main__":
    sys.exit(main(Config, build, Path(__file__).parent / "migrations"))
