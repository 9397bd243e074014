"""Makes the issuer's keys in a token: `python -m services.card.issuer --module M --token L --pin FILE 131016`.

Prints the certificate under which cards are certified, PEM; terminals hold it as `cards.crt` in their trust directory.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from services.card.issuer.setup import ensure_keys
from services.card.issuer.token import Token, TokenSettings
from services.foundation.clock import SystemClock
from services.foundation.refusals import Refusal
from services.vocabulary.local_government_code import LocalGovernmentCode
from services.vocabulary.malformed import Malformed


def main(arguments: Sequence[str] | None = None) -> int:
    """Makes what the token lacks; returns the exit status."""
    parser = argparse.ArgumentParser(prog="services.card.issuer", description="Makes the issuer's keys in a token.")
    parser.add_argument("--module", required=True, help="path of the PKCS #11 module")
    parser.add_argument("--token", required=True, help="label of the token, which has been initialised")
    parser.add_argument("--pin", required=True, type=Path, help="file with the token's user PIN")
    parser.add_argument("municipality", help="code of the municipality that issues, six digits")
    given = parser.parse_args(arguments)
    token = Token(TokenSettings(given.module, given.token, given.pin))
    try:
        certificate = ensure_keys(token, LocalGovernmentCode(given.municipality).digits, SystemClock())
    except (Refusal, Malformed) as refused:
        sys.stderr.write(f"{refused.reason}: {refused.advice}\n")
        return 2
    finally:
        token.close()
    sys.stdout.write(certificate.public_bytes(Encoding.PEM).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
