"""Building a purposes table: every way in which its sources can be wrong, and what operators fill in."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from deploy.purposes.sources import SOURCES, build_table
from services.confirmation.purposes import parse_table
from services.confirmation.refusals import PurposesTableRefused


def copied(directory: Path) -> Path:
    for path in SOURCES.glob("*.*"):
        if path.suffix in (".csv", ".toml"):
            shutil.copy(path, directory)
    return directory


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("affairs.csv", "affair_id,", "id,"),
        ("affairs.csv", "ord-2026", "ord-2027"),
        ("affairs.csv", "b1-1-2,1", "b1-1,1"),
        ("first_days.csv", "b1-16,", "b9-16,"),
        ("first_days.csv", "2003-04-01", "2003-04-31"),
        ("first_days.csv", "2003-04-01", ""),
        ("recipients.csv", "basis\n", "basis\nb9-99,機関,文書\n"),
        ("editions.toml", "\nnewest", "\nlatest"),
        ("editions.toml", "2013-12-31", '"2013"'),
        ("switches.toml", "b5-6", "b9-6"),
        ("switches.toml", "13 =", "48 ="),
        ("switches.toml", "[prefecture]", "[prefectures]"),
        ("bodies.toml", "title =", "name_ja ="),
        ("bodies.toml", "[[body]]", "[[body"),
        ("grants.toml", '"b1-19"', '"b1-19", "b1-19"'),
        ("grants.toml", '"b1-19"', '"b1-1-10"'),
        ("grants.toml", 'affairs = ["b1-19"]', 'affairs = "b1-19"'),
        ("grants.toml", "[[grant]]\nbody", "[[right]]\nbody"),
        ("grants.toml", 'at = "agency/national"\n', ""),
        ("grants.toml", "\nquota_per_day", "\nquota"),
    ],
)
def test_sources_that_are_wrong_anywhere_are_refused(tmp_path: Path, file: str, old: str, new: str) -> None:
    path = copied(tmp_path) / file
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")

    with pytest.raises(PurposesTableRefused) as refused:
        build_table(tmp_path)

    assert refused.value.facts


@pytest.mark.parametrize("file", ["affairs.csv", "grants.toml"])
def test_a_source_that_is_not_text_or_not_there_is_refused(tmp_path: Path, file: str) -> None:
    (copied(tmp_path) / file).write_bytes(b"\xff\xfe")
    with pytest.raises(PurposesTableRefused):
        build_table(tmp_path)
    (tmp_path / file).unlink()
    with pytest.raises(PurposesTableRefused) as refused:
        build_table(tmp_path)

    assert refused.value.facts["file"] == file


def test_an_affair_without_a_recipient_may_be_granted_once_an_operator_fills_it_in(tmp_path: Path) -> None:
    copied(tmp_path)
    grants = (tmp_path / "grants.toml").read_text("utf-8").replace('"b1-19"', '"b1-1-10"')
    (tmp_path / "grants.toml").write_text(grants, "utf-8")
    with pytest.raises(PurposesTableRefused):
        build_table(tmp_path)

    (tmp_path / "recipients.csv").write_text("affair_id,recipient_body_ja,basis\nb1-1-10,機関,官報\n", "utf-8")

    assert parse_table(build_table(tmp_path)).affairs["b1-1-10"].recipient == "機関"


def test_a_fuller_table_of_affairs_is_taken(tmp_path: Path) -> None:
    text = (SOURCES / "affairs.csv").read_text("utf-8")
    row = text.splitlines()[1].replace("b1-1,", "b1-900,", 1)
    (tmp_path / "newer.csv").write_text(f"{text}{row}\n", "utf-8")
    told: dict[str, int] = {}

    data = build_table(SOURCES, affairs=tmp_path / "newer.csv", progress=told.__setitem__)

    assert len(parse_table(data).affairs) == told["affairs"] == 658
