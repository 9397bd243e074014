"""Makes a software card for the suite and writes down what the suite must know of it.

Usage: python -m tests.conformance.card.specify [--state DIRECTORY] KIND

It uses the workshop of `services.card.tool`; the card lies on that workshop's shelf, and the specimen file, with the
certificate file that it names, beside the shelf. `take` is a simulator (see the README) that opens such a card.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from services.card.readers.embedded import Insertable
from services.card.tool import specimen as making
from services.card.tool.workshop import Workshop
from tests.conformance.card import specimen

_PIN_NAMES = {"juki-net": "juki", "authentication": "auth", "signature": "sign", "operator": "operator"}
_KEY_VERSIONS = {"blank": 1}
_ISSUED_VERSION = 2


def specify(state: Path, kind: str) -> Path:
    """Makes a card of a kind and returns the path of its specimen file."""
    workshop = Workshop(state)
    number = making.make(workshop, kind, b"", lambda _: None)
    keys = workshop.keys_of(number).keys_of(b"", 0)
    issuers = state / f"{number}.issuers.crt"
    issuers.write_bytes(workshop.authority().public_bytes(Encoding.PEM))
    path = state / f"{number}.toml"
    # The file has the card's keys in it: nobody but its owner reads it, before the first octet is written.
    path.touch(mode=0o600)
    lines = [
        f'kind = "{kind}"',
        f'number = "{number}"',
        "expendable = true",
        'authority = "workshop/issuer.key"',
        f'issuers = "{issuers.name}"',
        "[issuer]",
        f"version = {_KEY_VERSIONS.get(kind, _ISSUED_VERSION)}",
        *(f'{name} = "{getattr(keys, name).hex()}"' for name in ("enc", "mac", "dek")),
        "[pins]",
        *(f'{name} = "{making.PINS[short]}"' for name, short in _PIN_NAMES.items()),
    ]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def take(path: Path) -> Insertable:
    """Takes the software card of a specimen file off its shelf, until this process ends."""
    card, _ = Workshop(path.parent).shelf.take(specimen.load(path).number.hex().upper())
    return card


def main(arguments: list[str]) -> int:
    """Makes a card and says how to run the suite against it."""
    parser = argparse.ArgumentParser(description="Make a software card for the conformance suite.")
    parser.add_argument("--state", type=Path, default=Path("var/cards"), help="directory of the cards, %(default)s")
    parser.add_argument("kind", choices=specimen.KINDS)
    options = parser.parse_args(arguments)
    path = specify(options.state, options.kind)
    print(f"{path}: python -m services.card.tool --state {options.state} insert {path.stem} puts it into a reader")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
