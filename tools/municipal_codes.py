"""Prepares the directory of local government codes that the vocabulary packages.

Run with the two source tables (see services/vocabulary/data/SOURCES.md) and the folder to write to:
`python -m tools.municipal_codes municipalities.csv mergers.csv services/vocabulary/data`.
"""

from __future__ import annotations

import csv
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

Row = dict[str, str]

ABSORBED = "編入合併"
FOUNDED = "新設合併"
PARTED = "分離"
KEPT = frozenset({"072109", "302066", "336068", "442089", "442097", "442101", "442119"})
"""Founded before 1970 and again later under the same code, with nothing in the tables to tell it by."""
KINDS = {"市": "city", "区": "ward", "町": "town", "村": "village"}


def main(bodies: str, changes: str, folder: str) -> None:
    """Writes prefectures.csv and municipalities.csv into `folder`."""
    current = {row["code6"]: row for row in _rows(Path(bodies))}
    _write(
        Path(folder, "prefectures.csv"),
        ("code", "name"),
        [(row["code2"], row["name_ja"]) for row in current.values() if row["kind"] == "prefecture"],
    )
    _write(
        Path(folder, "municipalities.csv"),
        ("code", "since", "until", "kind", "name", "kana", "successors"),
        periods(current, _rows(Path(changes))),
    )


def periods(current: dict[str, Row], changes: list[Row]) -> Iterable[tuple[str, ...]]:
    """Cuts the life of each code at every change of its name, and ends it where it was given up."""
    incoming, outgoing = defaultdict(list), defaultdict(list)
    for change in sorted(changes, key=lambda row: row["effective_date"]):
        incoming[change["new_code6"]].append(change)
        outgoing[change["old_code6"]].append(change)
    history = History(current, incoming, outgoing)
    for code in sorted({*incoming, *outgoing, *current}):
        if code not in current or current[code]["kind"] != "prefecture":
            yield from _life(code, history, [row for row in outgoing[code] if row["new_code6"] == code])


def _life(code: str, history: History, renamings: list[Row]) -> Iterable[tuple[str, ...]]:
    since = history.began(code)
    until, kind, last_name, kana, successors = history.last(code)
    for change in renamings:
        day, name = change["effective_date"], change["old_name_ja"]
        if day == until:  # renamed and given up on one day: the new name was never borne under this code
            yield code, since, until, KINDS[name[-1]], name, "", successors
            return
        yield code, since, day, KINDS[name[-1]], name, "", code
        since = day
    yield code, since, until, kind, last_name, kana, successors


class History:
    """What the table of changes tells of each code."""

    def __init__(self, current: dict[str, Row], incoming: dict[str, list[Row]], outgoing: dict[str, list[Row]]) -> None:
        self._current, self._incoming, self._outgoing = current, incoming, outgoing

    def last(self, code: str) -> tuple[str, ...]:
        """Gives the end, kind, name, reading and successors of the last period."""
        if code in self._current:
            row = self._current[code]
            ward_of = self._current[row["parent_code6"]] if row["kind"] == "ward" else None
            prefix, kana = (ward_of["name_ja"], ward_of["name_kana"]) if ward_of else ("", "")
            kind = "northern-village" if row["northern"] == "1" else row["kind"]
            return "", kind, prefix + row["name_ja"], kana + row["name_kana"], ""
        ending = self._ending(code)
        until, name = ending[-1]["effective_date"], ending[-1]["old_name_ja"]
        successors = sorted({row["new_code6"] for row in ending if row["effective_date"] == until})
        return until, KINDS[name[-1]], name, "", " ".join(successors)

    def began(self, code: str) -> str:
        """Gives the first day of a code, or nothing where it was or may have been there before the table begins.

        The table leaves out a participant of a new merger whose code the new body keeps. So a merger founds a code if
        a participant of the same name gave up another code, or else if it names two participants at least and the
        code is the highest of its block, because numbers are given in order; the order holds to about a year.
        """
        births = [row for row in self._incoming[code] if row["old_code6"] != code and row["change_type_ja"] != ABSORBED]
        if not births:
            return ""
        day = births[0]["effective_date"]
        if code in KEPT or self._known_before(code, day):
            return ""
        if births[0]["change_type_ja"] != FOUNDED:
            return day
        participants = [row for row in births if row["effective_date"] == day]
        stem = participants[0]["new_name_ja"][:-1]
        renumbered = any(row["old_name_ja"][:-1] == stem for row in participants)
        return day if renumbered or (len(participants) > 1 and self._is_highest(code, day)) else ""

    def _known_before(self, code: str, day: str) -> bool:
        earlier = any(row["effective_date"] < day for row in (*self._incoming[code], *self._outgoing[code]))
        return earlier or any(row["effective_date"] == day for row in self._outgoing[code])

    def _is_highest(self, code: str, day: str) -> bool:
        block, year_before = self._block(code), f"{int(day[:4]) - 1}{day[4:]}"
        return not any(
            other > code and self._block(other) == block and self._existed_before(other, year_before)
            for other in {*self._current, *self._incoming, *self._outgoing}
        )

    def _existed_before(self, code: str, day: str) -> bool:
        if self._known_before(code, day):
            return True
        births = [row for row in self._incoming[code] if row["change_type_ja"] != ABSORBED]
        return not births

    @staticmethod
    def _block(code: str) -> str:
        """Gives the cities of a prefecture, or one county: numbers from 301 go by twenties, each county to one."""
        number = int(code[2:5])
        return code[:2] + ("cities" if number < 300 else str((number - 1) // 20))

    def _ending(self, code: str) -> list[Row]:
        return [row for row in self._outgoing[code] if row["new_code6"] != code and row["change_type_ja"] != PARTED]


def _rows(path: Path) -> list[Row]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def _write(path: Path, header: tuple[str, ...], lines: Iterable[tuple[str, ...]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(lines)


if __name__ == "__main__":
    main(*sys.argv[1:])
