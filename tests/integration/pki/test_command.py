"""The command does what it says, says what it did, and refuses in one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from deploy.pki.ceremony import main

REPOSITORY = Path(__file__).parents[3]


def run(capsys: pytest.CaptureFixture[str], state: Path, *arguments: str) -> tuple[int, str, str]:
    capsys.readouterr()
    status = main(["--state", str(state), *arguments])
    said = capsys.readouterr()
    return status, said.out, said.err


def test_the_ceremony_prints_what_it_keeps(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    status, out, _ = run(capsys, tmp_path, "init")

    assert status == 0
    assert out.startswith((tmp_path / "transcript.txt").read_text("utf-8"))
    assert "made root, 13, 14, national" in out


def test_a_second_ceremony_says_that_nothing_was_missing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    run(capsys, tmp_path, "init")

    assert "all of it was there already" in run(capsys, tmp_path, "init")[1]


def test_a_node_goes_through_its_life(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    run(capsys, tmp_path, "init")

    outputs = [
        run(capsys, tmp_path, *arguments)
        for arguments in (
            ["issue", "prefecture/13", "relying/pension"],
            ["rotate"],
            ["rotate", "--due-within", "40d"],
            ["rotate", "relying/pension"],
            ["revoke", "prefecture/13", "--reason", "keyCompromise"],
            ["revoke", "prefecture/13", "--reason", "keyCompromise", "--signing"],
            ["rotate", "--all"],
            ["suspend", "prefecture/13"],
            ["suspend", "prefecture/13"],
            ["unsuspend", "prefecture/13"],
            ["unsuspend", "prefecture/13"],
            ["crl"],
        )
    ]

    assert {status for status, _, _ in outputs} == {0}
    assert [out.splitlines()[-1].partition(":")[0] for _, out, _ in outputs] == [
        "issued relying/pension",
        "nothing is due",
        "rotated prefecture/13, relying/pension",
        "rotated relying/pension",
        "revoked prefecture/13",
        "revoked prefecture/13",
        "rotated relying/pension",
        "suspended prefecture/13",
        "prefecture/13 was suspended already",
        "unsuspended prefecture/13",
        "prefecture/13 was not suspended",
        "signed revocation lists of 13, 14, national",
    ]


def test_the_table_names_every_certificate_whole(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    run(capsys, tmp_path, "init")
    run(capsys, tmp_path, "issue", "prefecture/13")
    serial = run(capsys, tmp_path, "revoke", "prefecture/13", "--reason", "superseded")[1].split()[-1]

    rows = [line.split() for line in run(capsys, tmp_path, "show")[1].splitlines()[1:]]

    assert [row[:2] for row in rows] == [
        ["root", "root"],
        ["13", "issuing"],
        ["14", "issuing"],
        ["national", "issuing"],
        ["prefecture/13", "tls"],
        ["prefecture/13", "signing"],
    ]
    assert rows[4][2] == serial
    assert [row[-1] for row in rows] == ["good"] * 4 + ["revoked", "good"]


def test_a_refusal_is_one_line_and_status_one(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    status, out, err = run(capsys, tmp_path, "show")

    assert (status, out) == (1, "")
    assert err.startswith("PKI_STATE_ABSENT ")
    assert err.count("\n") == 1


def test_a_state_that_cannot_be_written_gets_advice(capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = run(capsys, Path("/dev/null/pki"), "init")

    assert status == 1
    assert err.startswith("PKI_DISK ")
    assert "Traceback" not in err


def test_a_write_that_fails_gets_advice_and_the_next_run_completes(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    script = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (400, resource.RLIM_INFINITY))\n"
        "from deploy.pki.ceremony import main\n"
        "sys.exit(main(['--state', sys.argv[1], 'init']))\n"
    )
    command = [sys.executable, "-B", "-c", script, str(tmp_path)]

    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=30, check=False)

    assert done.returncode == 1
    assert done.stderr.startswith("PKI_DISK ")
    assert run(capsys, tmp_path, "init")[0] == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["revoke", "prefecture/13"],
        ["revoke", "prefecture/13", "--reason", "boredom"],
        ["rotate", "--due-within", "soon"],
        [],
    ],
)
def test_a_command_not_understood_ends_with_status_two(tmp_path: Path, arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--state", str(tmp_path), *arguments])

    assert ended.value.code == 2
