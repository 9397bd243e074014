"""A bulk confirmation from one CSV file to another, which goes on where it was cut off, even by a kill."""

from __future__ import annotations

import csv
import hashlib
import io
import itertools
import json
import os
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from juki.confirmation.v1 import confirmation_service_pb2 as pb
from relying.asserted import asserted_of
from relying.client import BulkAnswers
from relying.showing import answer_values

COLUMNS = (
    "row",
    "outcome",
    "name",
    "birth_date",
    "sex",
    "address",
    "resident_code",
    "change",
    "differs",
    "identifier",
    "log_index",
)


class FilesDisagree(Exception):  # noqa: N818 - names what is the case
    """The progress file belongs to another run: other input, purpose or batch size, or the input was changed since."""


@dataclass(frozen=True, slots=True)
class Run:
    """What must be the same when a bulk confirmation goes on."""

    source: str
    affair: str
    case: str
    batch_size: int


@dataclass(slots=True)
class Progress:
    """How far a run came: batches answered, and the bytes of output that hold their answers."""

    run: Run
    source_hash: str
    """SHA-256 of the input, hexadecimal: rows that came or went would get others' answers."""
    request_id: str
    answered: int = 0
    output_bytes: int = 0


class BulkFiles:
    """The files of one run; `progress` beside the output says how far it came.

    Answers are on the disk before the progress that counts them, so that after a kill the output is cut back to what
    the progress counts: no answer is lost, and none is there twice.
    """

    def __init__(self, run: Run, output: Path) -> None:
        self._output = output
        self._progress_path = output.with_name(output.name + ".progress")
        self._run = run
        self.progress = self._load()
        # Answers are personal data: whoever runs this reads them, and nobody else.
        self._file = os.fdopen(os.open(output, os.O_RDWR | os.O_CREAT, 0o600), "r+b")
        self._file.truncate(self.progress.output_bytes)
        self._file.seek(self.progress.output_bytes)
        if self.progress.output_bytes == 0:
            self._append([COLUMNS])

    def batches(self) -> Iterator[list[pb.BulkQuestion]]:
        """Yields the questions of the batches that are not answered yet."""
        with Path(self._run.source).open(encoding="utf-8", newline="") as file:
            rows = enumerate(csv.DictReader(file), start=1)
            remaining = itertools.islice(rows, self.progress.answered * self._run.batch_size, None)
            while batch := list(itertools.islice(remaining, self._run.batch_size)):
                yield [_question(number, row) for number, row in batch]

    def keep(self, answered: BulkAnswers) -> None:
        """Makes the answers of the next batch durable."""
        start = (answered.number - 1) * self._run.batch_size
        first = answered.first_receipt.index
        self._append(
            [
                (start + place + 1, *answer_values(answer).values(), first + place)
                for place, answer in enumerate(answered.answers)
            ]
        )
        self.progress.answered = answered.number
        self._save()

    def close(self) -> None:
        """Closes the output; the progress stays, so that a finished run is known to be finished."""
        self._file.close()

    def _append(self, rows: list[tuple[object, ...]]) -> None:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        self._file.write(text.getvalue().encode())
        self._file.flush()
        os.fsync(self._file.fileno())
        # If the process dies here, the next run cuts these rows off and asks for them again.
        self.progress.output_bytes = self._file.tell()

    def _load(self) -> Progress:
        with Path(self._run.source).open("rb") as source:
            source_hash = hashlib.file_digest(source, "sha256").hexdigest()
        if not self._progress_path.exists():
            return Progress(self._run, source_hash, str(uuid.uuid4()))
        kept = json.loads(self._progress_path.read_text(encoding="utf-8"))
        if (Run(**kept["run"]), kept["source_hash"]) != (self._run, source_hash):
            raise FilesDisagree(f"name another output, or remove {self._progress_path.name}")
        return Progress(self._run, source_hash, kept["request_id"], kept["answered"], kept["output_bytes"])

    def _save(self) -> None:
        staged = self._progress_path.with_name(self._progress_path.name + ".new")
        with staged.open("w", encoding="utf-8") as file:
            json.dump(asdict(self.progress), file)
            file.flush()
            os.fsync(file.fileno())
        staged.replace(self._progress_path)


def _question(number: int, row: dict[str, str]) -> pb.BulkQuestion:
    code = row.get("resident_code")
    if not code:
        raise ValueError(f"row {number}: give a resident_code")
    stated = {item: row.get(item) or "" for item in ("name", "birth_date", "sex", "address")}
    if not any(stated.values()):
        return pb.BulkQuestion(resident_code=code)
    # Left out in silence, what was stated beside an empty field would come back as if it agreed.
    if missing := [item for item, value in stated.items() if not value]:
        raise ValueError(f"row {number}: state all four attributes or none; missing: {', '.join(missing)}")
    try:
        return pb.BulkQuestion(resident_code=code, asserted=asserted_of(**stated))
    except ValueError as error:
        raise ValueError(f"row {number}: {error}") from error
