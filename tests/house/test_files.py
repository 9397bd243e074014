"""What no committed file may hold, and how long one may be."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.tree import ROOT, committed, hits

# Words are put together here so that this file does not hold them itself.
_REGISTRIES = tuple(
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("files", "pythonhosted", "org"),
        ("registry", "npmjs", "org"),
        ("proxy", "golang", "org"),
        ("crates", "io"),
        ("deb", "debian", "org"),
        ("ghcr", "io"),
        ("docker", "io"),
        ("quay", "io"),
    )
)
_MACHINE = tuple("/" + folder + "/" for folder in ("home", "Users", "work", "root"))
_KEY_HEADER = re.compile(b"-----BEGIN " + rb"[A-Z ]*PRIVATE" + b" KEY-----\\s+[A-Za-z0-9+/]{40}")
_MOCK = ("unittest" + ".mock", "unittest import" + " mock", "Magic" + "Mock")
_LONGEST = 400


def _machine_paths(path: Path) -> list[str]:
    text = path.read_text("utf-8", "replace")
    return [word for word in _MACHINE if re.search(rf"(?<![\w.\-/}}]){re.escape(word)}\w", text)]


def test_no_file_names_a_package_registry() -> None:
    assert hits(_REGISTRIES, committed()) == []


def test_no_file_names_a_path_of_somebodys_machine() -> None:
    found = [f"{path.relative_to(ROOT)}: {word}" for path in committed() for word in _machine_paths(path)]

    assert found == []


def test_no_private_key_is_committed() -> None:
    found = [str(path.relative_to(ROOT)) for path in committed() if _KEY_HEADER.search(path.read_bytes())]

    assert found == []
    assert [str(path) for path in committed() if path.suffix in (".key", ".pem", ".p12")] == []


def test_no_python_file_is_longer_than_one_reads() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in committed("*.py")
        if (lines := path.read_text("utf-8").count("\n")) > _LONGEST
    }

    assert long == {}


def test_doubles_are_fakes_and_never_mocks() -> None:
    assert hits(_MOCK, committed("*.py")) == []


def test_the_search_finds_what_it_looks_for(tmp_path: Path) -> None:
    bad = tmp_path / "bad.txt"
    bad.write_text(f"see {_MACHINE[0]}somebody/notes\n-----BEGIN PRIVATE" + f" KEY-----\n{'A' * 44}\n", "utf-8")

    assert _machine_paths(bad) == [_MACHINE[0]]
    assert _KEY_HEADER.search(bad.read_bytes())


@pytest.mark.parametrize("check", [["lint", "build/head.binpb"], ["format", "--diff", "--exit-code", "protos"]])
def test_the_protos_pass_their_linter(check: list[str]) -> None:
    buf = Path(sys.executable).with_name("buf")

    said = subprocess.run([buf, *check], cwd=ROOT, capture_output=True, text=True, check=False)

    assert said.returncode == 0, said.stdout + said.stderr
