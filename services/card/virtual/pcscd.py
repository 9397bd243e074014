"""A PC/SC service of one's own with virtual readers, which needs no root, hides from others and leaves nothing."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from services.card.refusals import PcscUnavailable, ReaderUnknown

_SEARCHED = "/usr/sbin:/usr/bin:/sbin:/bin"
_DRIVERS = ("/usr/lib/pcsc/drivers/serial/libifdvpcd.so", "/usr/local/lib/pcsc/drivers/serial/libifdvpcd.so")
SLOTS = 2
"""Slots of one reader of vpcd, fixed when it is built."""
MOST_READERS = 8
"""pcsc-lite takes sixteen slots."""
_START_SECONDS = 10.0


class PrivatePcscd:
    """A pcscd with `readers` virtual readers of two slots, from `start` to `stop` or to the end of this process.

    It listens on a Unix socket of its own, made here and handed over (socket activation), so that no privilege is
    needed. vpcd listens on every address of the machine without asking who connects; where the kernel allows it (root,
    or unprivileged user namespaces) it therefore runs in a network namespace that has a loopback device and nothing
    else, and `connect` is the only way in. `is_isolated` tells; where it is False, keep the machine's firewall closed.
    """

    def __init__(self, readers: int = 1) -> None:
        if not 1 <= readers <= MOST_READERS:
            raise ValueError(f"ask for 1 to {MOST_READERS} readers")
        self._readers = readers
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._directory: tempfile.TemporaryDirectory[str] | None = None
        self._asking = threading.Lock()
        self.is_isolated = False

    @property
    def socket_path(self) -> Path:
        """The address of the service."""
        if self._directory is None:
            raise PcscUnavailable("start the private card service first")
        return Path(self._directory.name) / "pcscd.comm"

    @property
    def environment(self) -> dict[str, str]:
        """What a client's environment needs; pcsc-lite reads it once in a process."""
        return {"PCSCLITE_CSOCK_NAME": str(self.socket_path)}

    @property
    def process_id(self) -> int:
        """The process that keeps pcscd, and ends it when this process ends; 0 when it is not running."""
        return 0 if self._process is None else self._process.pid

    @property
    def log(self) -> str:
        """What pcscd has said."""
        path = self.socket_path.with_name("pcscd.log")
        return path.read_text("utf-8", "replace") if path.exists() else ""

    def start(self) -> None:
        """Starts the service; refuses PCSC_UNAVAILABLE when pcscd or vpcd is not installed or does not start."""
        program, driver = find_pcscd(), find_driver()
        self._directory = tempfile.TemporaryDirectory(prefix="juki-pcscd-")
        control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with socket.socket(socket.AF_UNIX) as listening, theirs:
            listening.bind(str(self.socket_path))
            self.socket_path.chmod(0o600)
            listening.listen(16)
            fds = (listening.fileno(), theirs.fileno())
            command = [sys.executable, "-m", "services.card.virtual.launch"]
            arguments = [str(program), str(driver), self._directory.name, str(self._readers), *map(str, fds)]
            path = os.pathsep.join(filter(None, (str(Path(__file__).parents[3]), os.environ.get("PYTHONPATH"))))
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                [*command, *arguments], pass_fds=fds, start_new_session=True, env={**os.environ, "PYTHONPATH": path}
            )
        self._control = control
        control.settimeout(_START_SECONDS)
        said = self._receive()
        if said not in {b"isolated", b"shared"}:
            log = self.log
            self.stop()
            raise PcscUnavailable(f"see why pcscd does not start: {log.strip()[-200:] or 'it said nothing'}")
        self.is_isolated = said == b"isolated"

    def connect(self, slot: int) -> socket.socket:
        """Connects to a slot, numbered from 0 through all readers; raises OSError while it is not ready.

        Refuses READER_UNKNOWN for a slot that there is not, PCSC_UNAVAILABLE when the service is not running.
        """
        if not 0 <= slot < self._readers * SLOTS:
            raise ReaderUnknown(f"name a slot from 0 to {self._readers * SLOTS - 1}", slot=slot)
        if self._control is None:
            raise PcscUnavailable("start the private card service first")
        with self._asking:
            self._control.send(bytes((slot,)))
            data, descriptors, _, _ = socket.recv_fds(self._control, 16, 1)
        if not descriptors:
            raise ConnectionRefusedError(data.decode("ascii", "replace"))
        return socket.socket(fileno=descriptors[0])

    def stop(self) -> None:
        """Stops the service and removes its directory; stopping twice does nothing more."""
        if self._control is not None:
            # The launcher ends pcscd when this end closes, also if this process dies without coming here.
            self._control.close()
            self._control = None
        if self._process is not None:
            try:
                self._process.wait(10.0)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        if self._directory is not None:
            self._directory.cleanup()
            self._directory = None

    def _receive(self) -> bytes:
        try:
            return b"" if self._control is None else self._control.recv(64)
        except OSError:
            return b""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def find_pcscd() -> Path:
    """Finds the service's program; refuses PCSC_UNAVAILABLE."""
    found = shutil.which("pcscd", path=f"{_SEARCHED}:{os.environ.get('PATH', '')}")
    if found is None:
        raise PcscUnavailable("install pcscd and the virtual reader (Debian: apt-get install pcscd vsmartcard-vpcd)")
    return Path(found)


def find_driver() -> Path:
    """Finds the virtual reader's driver; refuses PCSC_UNAVAILABLE."""
    for driver in map(Path, _DRIVERS):
        if driver.exists():
            return driver.resolve()
    raise PcscUnavailable("install the virtual reader (Debian: apt-get install vsmartcard-vpcd)")
