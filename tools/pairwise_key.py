"""Makes the key of the pairwise identifiers in a PKCS #11 token, unless it is there: `python -m tools.pairwise_key`.

The key is a generic secret of 256 bits that may sign, and can be neither read nor taken out of the token. Exit codes: 0
it is there, 1 the token refuses, 2 the arguments are wrong.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from services.confirmation.pairwise import LABEL, TokenKey, TokenSettings
from services.foundation.refusals import Refusal


def main(arguments: Sequence[str] | None = None) -> int:
    """Makes the key and returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.pairwise_key", description=__doc__)
    parser.add_argument("--module", required=True, help="path of the PKCS #11 module")
    parser.add_argument("--token", required=True, help="label of the token")
    parser.add_argument("--pin", type=Path, required=True, help="file that holds the PIN")
    parser.add_argument("--version", type=int, default=1, help="version of the key, from 1")
    options = parser.parse_args(arguments)
    key = TokenKey(TokenSettings(options.module, options.token, options.pin), options.version)
    try:
        made = key.ensure()
    except Refusal as refused:
        sys.stderr.write(f"{refused.reason}: {refused.advice} {refused.facts}\n")
        return 1
    print(f"{LABEL}{options.version} {'was made' if made else 'was there already'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
