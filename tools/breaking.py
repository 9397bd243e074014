"""Compares the protos with those of main and fails when a caller of main's would break.

Usage: python -m tools.breaking
"""

from __future__ import annotations

import io
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from pathlib import Path

from tools.gen_stubs import write_image

_HEAD = Path("build/head.binpb")


def _git(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["git", *arguments], check=False, capture_output=True)  # noqa: S603, S607


def _base() -> str | None:
    """Finds the commit to compare with: where this branch left main; on main itself, its last commit."""
    for main in ("origin/main", "main"):
        found = _git("merge-base", "HEAD", main)
        if found.returncode == 0:
            return found.stdout.decode().strip()
    return None


def main() -> int:
    """Runs the comparison; returns buf's exit code, 0 when there is nothing to compare with."""
    base = _base()
    archive = _git("archive", "--format=tar", base, "protos") if base else None
    if archive is None or archive.returncode:
        print("breaking: skipped, there is no main to compare the protos with")
        return 0
    with tempfile.TemporaryDirectory() as directory:
        root, image = Path(directory), Path(directory) / "base.binpb"
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
            files.extractall(root, filter="data")
        write_image(root / "protos", image)
        buf = Path(sysconfig.get_path("scripts")) / "buf"
        command = [str(buf), "breaking", str(_HEAD), "--against", str(image)]
        return subprocess.run(command, check=False).returncode  # noqa: S603


if __name__ == "__main__":
    sys.exit(main())
