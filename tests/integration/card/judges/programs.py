"""Other people's programs, run on a card in a reader of the private PC/SC service."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

_MODULES = (
    "/usr/lib/x86_64-linux-gnu/opensc-pkcs11.so",
    "/usr/lib/aarch64-linux-gnu/opensc-pkcs11.so",
    "/usr/lib64/opensc-pkcs11.so",
    "/usr/lib/opensc-pkcs11.so",
    "/usr/lib/pkcs11/opensc-pkcs11.so",
)


def need(program: str) -> str:
    """Finds a program, or skips saying which is absent."""
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"not judged here: {program} is not installed")
    return found


def opensc_module() -> str:
    """Finds OpenSC's PKCS #11 module, or skips."""
    for path in _MODULES:
        if Path(path).exists():
            return path
    pytest.skip("not judged here: OpenSC's PKCS #11 module (opensc-pkcs11) is not installed")


def run(
    *command: str | Path, code: int | None = 0, stdin: bytes = b"", environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs a program and asserts its exit status, None for any."""
    need(str(command[0]))
    done = subprocess.run(
        [str(part) for part in command],
        input=stdin,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        timeout=60,
        check=False,
    )
    said = subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
    )
    assert code is None or said.returncode == code, f"{command}: {said.returncode}\n{said.stdout}\n{said.stderr}"
    return said


def pkcs11(*arguments: str | Path, code: int | None = 0) -> subprocess.CompletedProcess[str]:
    """Runs pkcs11-tool on OpenSC's module."""
    return run("pkcs11-tool", "--module", opensc_module(), *arguments, code=code)
