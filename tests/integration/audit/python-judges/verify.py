"""Verifies a published log with aics-tlog: `verify.py DIRECTORY LOG_KEY WITNESS_KEY...`; in its own Python."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import aics_tlog  # type: ignore[import-not-found] # it needs a Python of its own


def main() -> None:
    """Prints how many entries were verified and how many witnesses cosigned; fails when anything is wrong."""
    directory, log, *witnesses = sys.argv[1:]
    note = aics_tlog.parse_note((Path(directory) / "checkpoint").read_bytes())
    keys = [aics_tlog.parse_vkey(key) for key in witnesses]
    result = aics_tlog.verify_checkpoint(note, aics_tlog.parse_vkey(log), keys, len(keys))
    if not result.ok or result.size is None or result.root is None:
        sys.exit(result.error)
    reader = aics_tlog.FileSystemTileReader(directory)
    aics_tlog.audit_tiles(reader, result.size, result.root)
    entries = 0
    for index in range(result.size):
        entry = aics_tlog.read_entry(reader, index, result.size)
        proof = aics_tlog.inclusion_proof_from_tiles(reader, index, result.size)
        entries += aics_tlog.verify_leaf_inclusion(entry, index, result.size, proof, result.root)
    print(json.dumps({"size": result.size, "cosigned": result.cosignature_count, "entries": entries}))


if __name__ == "__main__":
    main()
