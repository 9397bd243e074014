"""A process that publishes a log and kills itself at the nth step: `python crashing.py URL DIRECTORY STEP`."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import sys
from pathlib import Path

import asyncpg

from services.foundation.audit.publisher import Publisher
from services.foundation.audit.tile_store import TileStore
from tests.integration.audit.makers import SIGNER


async def publish(url: str, directory: Path, deadly: int) -> None:
    steps = itertools.count()

    def at_step(_step: str) -> None:
        if next(steps) == deadly:
            os.kill(os.getpid(), signal.SIGKILL)

    async with asyncpg.create_pool(url, min_size=1, max_size=1) as pool:
        await Publisher(pool, TileStore(directory), SIGNER, at_step=at_step).publish()


if __name__ == "__main__":
    asyncio.run(publish(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])))
