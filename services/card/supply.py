"""The hand at the embedded readers: `python -m services.card.supply node.toml blank|list|insert|remove`.

Blank cards come with transport keys that the issuer's token knows, as a maker would deliver them.
"""

from __future__ import annotations

import argparse
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path

from services.card.config import Config
from services.card.issuer import Token, TokenIssuer, TokenSettings
from services.card.shelf import Shelf, reader_name
from services.foundation import settings
from services.foundation.clock import SystemClock
from services.foundation.refusals import Refusal

_SERIAL_BYTES = 7


def main(arguments: Sequence[str] | None = None) -> int:
    """Does one thing with the cards of a node; returns the exit status."""
    parser = argparse.ArgumentParser(prog="services.card.supply", description="Handles software cards of a card node.")
    parser.add_argument("settings", type=Path, help="TOML file of the node's settings")
    does = parser.add_subparsers(dest="action", required=True)
    does.add_parser("blank", help="make a blank card, and print its number")
    does.add_parser("list", help="print cards, and the readers in which they are")
    insert = does.add_parser("insert", help="put a card into an embedded reader")
    insert.add_argument("number", help="the card's number")
    for each in (insert, does.add_parser("remove", help="take the card out of an embedded reader")):
        each.add_argument("--slot", type=int, default=0, help="number of the reader, from 0")
    given = parser.parse_args(arguments)
    try:
        _do(given, settings.load(given.settings, Config))
    except Refusal as refusal:
        sys.stderr.write(f"{refusal.reason}: {refusal.advice} {refusal.facts or ''}\n")
        return 2
    return 0


def _do(given: argparse.Namespace, config: Config) -> None:
    shelf = Shelf(config.state)
    shelf.prepare()
    match given.action:
        case "blank":
            sys.stdout.write(f"{_blank(shelf, config)}\n")
        case "insert":
            shelf.insert(given.slot, given.number)
        case "remove":
            shelf.remove(given.slot)
        case _:
            slots = {shelf.inserted(slot): reader_name(slot) for slot in range(config.embedded_readers)}
            for number in shelf.numbers():
                sys.stdout.write(f"{number} {slots.get(number, '')}".rstrip() + "\n")


def _blank(shelf: Shelf, config: Config) -> str:
    token = Token(TokenSettings(config.pkcs11_module, config.pkcs11_token, config.keys / config.pkcs11_pin))
    number = bytes.fromhex(config.identity.code[:6]) + secrets.token_bytes(_SERIAL_BYTES)
    return shelf.make_blank(number, TokenIssuer(token, SystemClock()).transport_keys(number))


if __name__ == "__main__":
    sys.exit(main())
