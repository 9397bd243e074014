"""Runs a node of this tier: `python -m services.prefecture node.toml`."""

from __future__ import annotations

import sys
from pathlib import Path

from services.foundation.main import main
from services.prefecture.app import build
from services.prefecture.config import Config

if __name__ == "__main__":
    sys.exit(main(Config, build, Path(__file__).parent / "migrations"))
