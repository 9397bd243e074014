"""The command of a relying body, run as a body runs it: a process of its own against a node."""

from __future__ import annotations

import asyncio
import base64
import csv
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from services.vocabulary.change import ChangeReason
from tests.integration.audit.makers import ORIGIN
from tests.integration.confirmation.conftest import Node
from tests.purposes import Table, changed, grant_of
from tests.unit.confirmation.makers import attributes, change, code

ROOT = Path(__file__).parents[3]
PURPOSE = ("--affair", "b1-19", "--case", "2026/annual-0001")


@pytest.fixture
def environment(node: Node) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": f"{ROOT}:{ROOT / 'gen'}",
        "JUKI_SERVER": f"localhost:{node.port}",
        "JUKI_KEYS": str(node.network.keys("relying/local-pension")),
        "JUKI_TRUST": str(node.network.trust),
        "COLUMNS": "200",
    }


async def start(environment: dict[str, str], *arguments: str) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "relying", *arguments, env=environment, cwd=ROOT, stdout=pipe, stderr=pipe
    )


async def run(environment: dict[str, str], *arguments: str) -> tuple[int | None, str, str]:
    process = await start(environment, *arguments)
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def test_confirm_prints_the_answer_and_proves_its_receipt(node: Node, environment: dict[str, str]) -> None:
    await node.apply([change(ChangeReason.MOVE_IN)])

    status, out, _ = await run(environment, "confirm", *PURPOSE, "--code", code(), "--verify", "--json")

    shown = json.loads(out)
    assert status == 0
    assert (shown["outcome"], shown["name"], shown["birth_date"]) == ("MATCH", attributes().name.text, "1985-04-01")
    assert shown["receipt"]["log"] == ORIGIN
    assert shown["proved"]["size"] > shown["receipt"]["index"]


async def test_confirm_prints_a_table(node: Node, environment: dict[str, str]) -> None:
    await node.apply([change(ChangeReason.MOVE_IN)])
    stated = (
        "--name",
        "別人 花子",
        "--birth-date",
        "1985-04-01",
        "--sex",
        "男",
        "--address",
        attributes().address.text,
    )

    status, out, _ = await run(environment, "confirm", *PURPOSE, "--code", code(), *stated)

    assert status == 0
    assert "MISMATCH" in out
    assert "differs" in out


async def test_a_refusal_is_told_with_its_reason_and_article(environment: dict[str, str]) -> None:
    status, _, err = await run(environment, "confirm", "--affair", "b1-98", "--case", "1", "--code", code())

    assert status == 1
    assert "PURPOSE_NOT_GRANTED" in err
    assert "article: 住民基本台帳法" in err


async def test_purposes_and_changes_are_listed(node: Node, environment: dict[str, str]) -> None:
    await node.apply([change(ChangeReason.MOVE_IN)])

    _, purposes, _ = await run(environment, "purposes", "--json")
    _, changes, _ = await run(environment, "changes", *PURPOSE, "--code", code(), "--json")

    assert [one["affair"] for one in json.loads(purposes)["purposes"]] == ["b1-19"]
    assert [one["reason"] for one in json.loads(changes)["changes"]] == ["MOVE_IN"]


def write_codes(path: Path, count: int) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["resident_code"], *([code(number)] for number in range(1, count + 1))])


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


async def until(reached: Callable[[], bool]) -> None:
    for _ in range(600):
        if reached():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it was not reached in time")


async def test_a_bulk_confirmation_that_is_killed_goes_on_and_doubles_nothing(
    node: Node, environment: dict[str, str], tmp_path: Path
) -> None:
    await node.apply([change(ChangeReason.MOVE_IN, about=code(number)) for number in range(1, 3001, 3)])
    source, output, progress = (tmp_path / name for name in ("codes.csv", "answers.csv", "answers.csv.progress"))
    write_codes(source, 3000)
    command = ("bulk", *PURPOSE, "--in", str(source), "--out", str(output), "--batch", "10")

    process = await start(environment, *command)
    await until(lambda: progress.exists() and json.loads(progress.read_text())["answered"] >= 20)
    process.kill()
    await process.communicate()
    answered = json.loads(progress.read_text())["answered"]
    status, _, err = await run(environment, *command)

    assert 20 <= answered < 300
    assert (status, err.rstrip().endswith("300 batches answered")) == (0, True)
    rows = rows_of(output)
    assert [row["row"] for row in rows] == [str(number) for number in range(1, 3001)]
    assert [row["outcome"] for row in rows] == ["MATCH", "NOT_FOUND", "NOT_FOUND"] * 1000
    logged = await node.owner.fetchval("SELECT count(*) FROM audit_entry")
    assert 3000 <= logged <= 3000 + 10 * 10


async def test_a_finished_bulk_confirmation_asks_nothing_again(
    node: Node, environment: dict[str, str], tmp_path: Path
) -> None:
    write_codes(tmp_path / "codes.csv", 5)
    command = ("bulk", *PURPOSE, "--in", str(tmp_path / "codes.csv"), "--out", str(tmp_path / "out.csv"))
    await run(environment, *command)
    first = (tmp_path / "out.csv").read_bytes()

    status, _, _ = await run(environment, *command)

    assert (status, (tmp_path / "out.csv").read_bytes()) == (0, first)
    assert len(await node.entries()) == 5


async def test_an_output_of_another_run_is_not_gone_on_with(environment: dict[str, str], tmp_path: Path) -> None:
    write_codes(tmp_path / "codes.csv", 1)
    command = ("bulk", *PURPOSE, "--in", str(tmp_path / "codes.csv"), "--out", str(tmp_path / "out.csv"))
    await run(environment, *command)

    status, _, err = await run(environment, *command, "--batch", "7")

    assert (status, "FilesDisagree" in err) == (2, True)


async def test_input_that_was_changed_since_is_not_gone_on_with(environment: dict[str, str], tmp_path: Path) -> None:
    command = ("bulk", *PURPOSE, "--in", str(tmp_path / "codes.csv"), "--out", str(tmp_path / "out.csv"))
    write_codes(tmp_path / "codes.csv", 1)
    await run(environment, *command)
    write_codes(tmp_path / "codes.csv", 2)

    status, _, err = await run(environment, *command)

    assert (status, "FilesDisagree" in err) == (2, True)


async def test_answers_are_for_their_owners_eyes(environment: dict[str, str], tmp_path: Path) -> None:
    write_codes(tmp_path / "codes.csv", 1)

    await run(environment, "bulk", *PURPOSE, "--in", str(tmp_path / "codes.csv"), "--out", str(tmp_path / "out.csv"))

    assert (tmp_path / "out.csv").stat().st_mode & 0o777 == 0o600


async def test_input_without_codes_is_wrong_use(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "codes.csv").write_text("code\n1\n")

    status, _, err = await run(
        environment, "bulk", *PURPOSE, "--in", str(tmp_path / "codes.csv"), "--out", str(tmp_path / "out.csv")
    )

    assert (status, "resident_code" in err) == (2, True)


async def test_explain_says_why_not_and_exits_well(environment: dict[str, str]) -> None:
    status, out, _ = await run(environment, "explain", *PURPOSE, "--way", "by_attributes", "--item", "name", "--json")

    told = json.loads(out)
    assert (status, told["answered"], told["article"]) == (0, False, "住民基本台帳法第三十条の九")
    assert [check["reason"] for check in told["checks"] if check["passed"] == "no"] == ["WAY_NOT_GRANTED"]

    status, out, _ = await run(environment, "explain", *PURPOSE, "--way", "by_code")
    assert status == 0
    assert "would be answered" in out


async def test_an_identifier_is_handed_over_and_opened_by_the_other_body(
    node: Node, environment: dict[str, str], tmp_path: Path
) -> None:
    receiver, key = "relying/construction", X25519PrivateKey.generate()
    (tmp_path / "hand-over.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))

    def allow(table: Table) -> None:
        public = base64.b64encode(key.public_key().public_bytes_raw()).decode()
        next(row for row in table["bodies"] if row["name"] == receiver)["key"] = public
        grant_of(table, "b1-19")["hand_over"] = [receiver]

    await node.apply([change(ChangeReason.MOVE_IN)])
    await node.adopt(changed(allow))

    status, out, _ = await run(
        environment, "hand-over", *PURPOSE, "--code", code(), "--to", receiver, "--to-affair", "b1-98"
    )
    assert (status, json.loads(out)["outcome"]) == (0, "MATCH")
    opening = ("open-hand-over", "--sealed", json.loads(out)["sealed"], "--receiver", receiver, "--affair", "b1-98")
    theirs = {**environment, "JUKI_KEYS": str(tmp_path)}
    status, out, _ = await run(theirs, *opening, "--from", "relying/local-pension")
    assert (status, len(json.loads(out)["identifier"])) == (0, 34)

    status, out, err = await run(theirs, *opening, "--from", "relying/tokyo-licensing")
    assert (status, out) == (1, "")
    assert "not opened" in err
