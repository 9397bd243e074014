"""The workshop's command makes specimens, shows them, tries their PINs, and says plainly what is wrong."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest

from services.card.tool.__main__ import main
from services.card.tool.workshop import Workshop

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command on a fresh workshop, with lines typed, and returns its status and what it said."""
    monkeypatch.setenv("COLUMNS", "160")

    def command(*arguments: str, typed: str = "") -> tuple[int, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        status = main(["--state", str(tmp_path), *arguments])
        said = capsys.readouterr()
        return status, said.out + said.err

    return command


@pytest.fixture
def number(tmp_path: Path, run: Run) -> Callable[[str], str]:
    """Makes a card of a kind and returns its number."""

    def make(kind: str) -> str:
        before = set(Workshop(tmp_path).shelf.numbers())
        assert run("make", kind)[0] == 0
        (made,) = set(Workshop(tmp_path).shelf.numbers()) - before
        return made

    return make


def test_a_specimen_of_a_resident_is_shown_with_its_pins_and_not_without(
    run: Run, number: Callable[[str], str]
) -> None:
    card = number("resident")

    _, closed = run("show", card)
    status, opened = run("show", card, "--pin", "juki", "--pin", "sign", typed="4711\nABC123\n")

    assert status == 0
    assert "千代田区" in closed
    assert "住民票コード" not in closed
    assert "住民票コード" in opened
    assert opened.count("合成住民") == 2
    assert "4711" not in opened


def test_wrong_pins_count_down_until_the_pin_is_blocked(run: Run, number: Callable[[str], str]) -> None:
    card = number("operator")

    said = [run("pin", "operator", card, typed="000000\n") for _ in range(4)]
    blocked = run("show", card)[1]

    assert [status for status, _ in said] == [1] * 4
    assert [f"tries_left={left}" in text for left, (_, text) in zip((2, 1, 0), said, strict=False)] == [True] * 3
    assert "PIN_BLOCKED" in said[3][1]
    assert "blocked" in blocked


def test_a_right_pin_is_told(run: Run, number: Callable[[str], str]) -> None:
    assert run("pin", "operator", number("operator"), typed="246810\n")[0] == 0


def test_the_list_tells_state_and_place(run: Run, number: Callable[[str], str]) -> None:
    blank = number("blank")
    run("insert", blank, "--embedded", "1")
    inserted = run("list")[1]
    removed = run("remove", "1")[0]

    assert "issued" in inserted
    assert "Embedded 01" in inserted
    assert removed == 0
    assert "Embedded 01" not in run("list")[1]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("show", "00112233445566778899"), "CARD_UNKNOWN"),
        (("show",), "CARD_UNKNOWN"),
        (("insert", "00112233445566778899", "--embedded", "0"), "CARD_UNKNOWN"),
        (("insert", *["00112233445566778899"] * 17), "CARD_UNKNOWN"),
        (("make", "resident", "--photograph", "nowhere.jpg"), "CARD_CONTENT_REFUSED"),
        (("remove", "0"), "CARD_ABSENT"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_line(run: Run, arguments: tuple[str, ...], reason: str) -> None:
    status, said = run(*arguments)

    assert status == 1
    assert said.startswith(f"{reason}: ")
    assert "Traceback" not in said


def test_a_photograph_that_is_too_large_is_refused(run: Run, tmp_path: Path) -> None:
    picture = tmp_path / "large.jpg"
    picture.write_bytes(b"\xff\xd8\xff\xe0" + bytes(12_288) + b"\xff\xd9")

    status, said = run("make", "resident", "--photograph", str(picture))

    assert status == 1
    assert "CARD_CONTENT_REFUSED" in said


def test_keys_and_cards_are_readable_by_their_owner_alone(number: Callable[[str], str], tmp_path: Path) -> None:
    number("blank")

    private = [path for path in tmp_path.rglob("*") if path.is_file() and path.stat().st_mode & 0o077]
    assert private == []
