"""Finds links of the documents that lead nowhere.

Usage: python -m tools.check_links
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)


def dead_links(document: Path) -> Iterator[str]:
    """Yields the targets in a Markdown document that are neither addresses, nor files, nor headings of files."""
    for target in _LINK.findall(_FENCE.sub("", document.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, heading = target.partition("#")
        file = document.parent / path if path else document
        if not file.exists() or (heading and heading not in _anchors(file)):
            yield target


def _anchors(document: Path) -> set[str]:
    text = _FENCE.sub("", document.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in _HEADING.findall(text)}


def main() -> int:
    """Checks every Markdown file that git knows; returns 1 when a link is dead."""
    listed = subprocess.run(["git", "ls-files", "*.md"], check=True, capture_output=True, text=True)  # noqa: S607
    dead = [
        (name, link) for name in listed.stdout.splitlines() if Path(name).exists() for link in dead_links(Path(name))
    ]
    for name, link in dead:
        print(f"{name}: {link} leads nowhere")
    return 1 if dead else 0


if __name__ == "__main__":
    sys.exit(main())
