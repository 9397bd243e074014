"""The command of purposes tables, from sources to an order that two administrators signed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from deploy.pki.certificates import write_key
from services.foundation.audit.note import NoteSigner
from tests.purposes import changed, grant_of, published
from tools.purposes.__main__ import main


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "table.json"
    assert main(["build", "--out", str(path)]) == 0
    return path


def test_build_tells_its_progress_and_writes_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", "--out", str(tmp_path / "table.json")]) == 0

    assert "read 657 affairs" in capsys.readouterr().out
    assert (tmp_path / "table.json").read_bytes() == published()


def test_check_counts_what_the_law_has(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(table)]) == 0

    counts = {line.strip().partition(" ")[2]: line.split()[0] for line in capsys.readouterr().out.splitlines()}
    assert (counts["affairs in force"], counts["affairs without a recipient, which grant nothing"]) == ("643", "360")


def test_a_table_that_is_wrong_is_refused_with_its_row(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table.write_bytes(changed(lambda rows: grant_of(rows, "b1-19").update(ways=["by_guess"])))

    assert main(["check", str(table)]) == 1

    assert "PURPOSES_TABLE_REFUSED" in (said := capsys.readouterr().err)
    assert "grant agency/national relying/local-pension b1-19" in said


def test_a_file_that_is_not_there_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", str(tmp_path / "nothing.json")]) == 1
    assert "nothing.json" in capsys.readouterr().err


def test_show_lists_grants_and_affairs(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["show", str(table), "--body", "relying/construction", "--json"]) == 0
    grants = json.loads(capsys.readouterr().out)
    assert [row["affair"] for row in grants] == ["b1-113", "b1-98", "b1-99"]

    assert main(["show", str(table), "--affairs", "--affair", "b5-21", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["switched on"] == "13"
    assert main(["show", str(table), "--affair", "b1-19"]) == 0
    assert "relying/local" in capsys.readouterr().out


def test_diff_names_what_was_added_removed_and_changed(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    newer = tmp_path / "newer.json"
    newer.write_bytes(changed(lambda rows: grant_of(rows, "b1-19").update(affair="b1-16", quota_per_day=9)))
    capsys.readouterr()

    assert main(["diff", str(table), str(newer), "--json"]) == 1
    assert [row["change"] for row in json.loads(capsys.readouterr().out)] == ["added", "removed"]

    newer.write_bytes(changed(lambda rows: grant_of(rows, "b1-19").update(quota_per_day=9)))
    assert main(["diff", str(table), str(newer), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)[0]["fields"] == "a day: 20000000 → 9"
    assert main(["diff", str(table), str(table)]) == 0


def test_an_order_is_written_signed_by_two_and_checked(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    order, trusted = tmp_path / "order.note", tmp_path / "administrators"
    roles = {"register": tmp_path / "register.key", "audit": tmp_path / "audit.key"}
    lines = []
    for role, path in roles.items():
        key = Ed25519PrivateKey.generate()
        write_key(path, key)
        lines.append(f"{role} {NoteSigner(role, key).vkey}\n")
    trusted.write_text("".join(lines), "utf-8")
    check = ["check", str(tmp_path), "--administrators", str(trusted)]

    assert main(["order", str(table), "--number", "3", "--reason", "a new Act", "--out", str(order)]) == 0
    assert main(["sign", str(order), "--key", str(roles["register"]), "--name", "register"]) == 0
    assert main(check) == 1
    assert "SINGLE_SIGNED" in capsys.readouterr().err
    assert main(["sign", str(order), "--key", str(roles["audit"]), "--name", "audit"]) == 0

    assert main(check) == 0
    assert "order 3, in force from" in capsys.readouterr().out


def test_an_order_for_another_table_is_refused(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    order = tmp_path / "order.note"
    key = tmp_path / "some.key"
    write_key(key, Ed25519PrivateKey.generate())
    main(["order", str(table), "--number", "1", "--reason", "x", "--out", str(order)])
    main(["sign", str(order), "--key", str(key), "--name", "some"])
    table.write_bytes(changed(lambda rows: grant_of(rows, "b1-19").update(quota_per_day=9)))

    assert main(["check", str(tmp_path)]) == 1
    assert "PURPOSES_TABLE_REFUSED" in capsys.readouterr().err
