"""Where the lines of the processes go: a file each, kept from growing without end, and one coloured stream."""

from __future__ import annotations

import logging
from logging.handlers import RotatingFileHandler
from pathlib import Path

from rich.console import Console
from rich.text import Text

_LIMIT_BYTES = 10_000_000
_KEPT = 3
_COLOURS = ("cyan", "green", "magenta", "yellow", "blue", "bright_red", "bright_cyan", "bright_green")


class ProcessLog:
    """The log of one process: at most four files of 10 MB, and a console when there is one."""

    def __init__(self, process: str, path: Path, console: Console | None, colour: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._process = process
        self._console = console
        self._style = _COLOURS[colour % len(_COLOURS)]
        self._handler = RotatingFileHandler(path, maxBytes=_LIMIT_BYTES, backupCount=_KEPT, encoding="utf-8")
        # A full disk loses lines, not the process.
        self._logger = logging.Logger(process)
        self._logger.addHandler(self._handler)

    def write(self, line: str) -> None:
        """Adds one line."""
        self._logger.info("%s", line)
        if self._console is not None:
            self._console.print(Text(f"{self._process:<18} ", style=self._style).append(line, style="default"))

    def close(self) -> None:
        """Closes the file."""
        self._handler.close()


def tail(path: Path, lines: int) -> list[str]:
    """Returns the last lines of a log; none when there is no log."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 64_000))
            return file.read().decode("utf-8", "replace").splitlines()[-lines:]
    except FileNotFoundError:
        return []
