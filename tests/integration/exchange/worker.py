"""A process that registers, sends and receives until it is killed; run with two database URLs and two directories."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from services.foundation.clock import Clock
from services.foundation.db.engine import Database
from services.foundation.exchange.envelope import EnvelopeSigner
from services.foundation.exchange.signers import Signers
from services.foundation.refusals import Refusal
from tests.integration.exchange.nodes import Line, ReceivingNode, SendingNode
from tests.streams import CITY, ROOT, FixedClock


async def work(city_url: str, prefecture_url: str, keys: Path, trust: Path) -> None:
    clock: Clock = FixedClock()
    signers = Signers.load(trust, ROOT, clock, lambda _issuer, _serial: False)
    city = SendingNode(Database(city_url, 4), EnvelopeSigner.load(CITY.name, keys))
    prefecture = ReceivingNode(Database(prefecture_url, 4), signers)
    sender = asyncio.create_task(city.sender(Line(prefecture, CITY)).run())
    number = 0
    while not sender.done():
        code = str(number % 5)
        await asyncio.gather(*(city.act(code, f"{keys.name}-{number}-{part}") for part in range(4)))
        number += 1
        if number == 1:
            sys.stdout.write("working\n")
            sys.stdout.flush()


if __name__ == "__main__":
    try:
        asyncio.run(work(sys.argv[1], sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4])))
    except Refusal as refusal:
        sys.exit(refusal.reason)
