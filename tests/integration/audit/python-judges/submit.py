"""Has a log witnessed with aics-witness's client: `submit.py URL WITNESS_KEY DIRECTORY OLDER`; in its own Python."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import aics_tlog  # type: ignore[import-not-found] # it needs a Python of its own
import aics_witness  # type: ignore[import-not-found] # it needs a Python of its own


def main() -> None:
    """Prints the sizes that were cosigned, and the status that a wrong proof between them came to."""
    url, witness, directory, older = sys.argv[1:]
    notes = [Path(older).read_bytes(), (Path(directory) / "checkpoint").read_bytes()]
    reader = aics_tlog.FileSystemTileReader(directory)
    first, second = (aics_tlog.parse_checkpoint(aics_tlog.parse_note(note).text).size for note in notes)

    def proof(old: int, new: int) -> list[bytes]:
        return aics_tlog.consistency_proof_from_tiles(reader, old, new, second) if 0 < old < new else []

    client = aics_witness.WitnessClient(url, witness)
    aics_witness.merge_cosignatures(notes[0], client.submit(notes[0], proof))
    cosigned, refused = list(client.known_sizes.values()), 0
    try:
        client.submit(notes[1], (first, [bytes(32)]))
    except aics_witness.WitnessRejected as rejected:
        refused = rejected.status
    # A client that knows nothing is told where to begin.
    client = aics_witness.WitnessClient(url, witness)
    aics_witness.merge_cosignatures(notes[1], client.submit(notes[1], proof))
    print(json.dumps({"cosigned": [*cosigned, *client.known_sizes.values()], "refused": refused}))


if __name__ == "__main__":
    main()
