"""The process between us and a private pcscd: isolates, starts it, hands out connections to its slots, ends it.

Run by `services.card.virtual.pcscd` alone, with two inherited sockets: the service's listening one, and a control
socket on which each request is one octet, the slot, and each answer a connected socket. When the control socket closes,
pcscd is ended.
"""

from __future__ import annotations

import ctypes
import fcntl
import itertools
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 0x1
_SLOTS = 2
_FIRST_PORT = 35963
_TABLES = (Path("/proc/self/net/tcp"), Path("/proc/self/net/tcp6"))
_LISTENING = "0A"
_LISTEN_FD = 3
"""Where socket activation puts the first socket (sd_listen_fds)."""
_START_SECONDS = 8.0


def isolate() -> bool:
    """Moves this process into a network namespace with a loopback device and no other; tells whether it could."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET) != 0 and libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) != 0:
        return False
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", _IFF_UP))
    return True


def free_ports(readers: int) -> list[int]:
    """Finds, for each reader, a port that is free together with the one above it."""
    taken = _listening()
    pairs = (port for port in range(_FIRST_PORT, 65535, _SLOTS) if not taken & {port, port + 1})
    return list(itertools.islice(pairs, readers))


def write_configuration(directory: Path, driver: Path, ports: list[int]) -> Path:
    """Writes pcscd's configuration; each reader has a copy of the driver, whose slots are static variables."""
    configuration = directory / "reader.conf.d"
    configuration.mkdir()
    stanzas = []
    for number, port in enumerate(ports):
        copy = shutil.copyfile(driver, directory / f"libifdvpcd-{number}.so")
        lines = (
            f'FRIENDLYNAME "Virtual {number:02}"',
            f"DEVICENAME /dev/null:0x{port:X}",
            f"LIBPATH {copy}",
            f"CHANNELID 0x{port:X}",
        )
        stanzas.append("\n".join(lines))
    (configuration / "vpcd").write_text("\n\n".join(stanzas) + "\n", "ascii")
    return configuration


def serve(control: socket.socket, ports: list[int]) -> None:
    """Answers each request for a slot with a connected socket until the control socket closes."""
    while request := control.recv(16):
        reader, slot = divmod(request[0], _SLOTS)
        try:
            connection = socket.create_connection(("127.0.0.1", ports[reader] + slot), timeout=5.0)
        except OSError as error:
            control.send(type(error).__name__.encode("ascii"))
            continue
        with connection:
            socket.send_fds(control, [b"connected"], [connection.fileno()])


def _listening() -> set[int]:
    """Reads which TCP ports of this network namespace are taken; trying would take the port from vpcd for a moment."""
    lines = [line.split() for table in _TABLES if table.exists() for line in table.read_text("ascii").splitlines()[1:]]
    return {int(fields[1].rpartition(":")[2], 16) for fields in lines if fields[3] == _LISTENING}


def _start(program: Path, configuration: Path, listening: int, log: Path) -> subprocess.Popen[bytes]:
    # LISTEN_PID must be the pid of pcscd itself, so a shell says its own before it becomes pcscd.
    script = 'LISTEN_PID=$$; export LISTEN_PID; exec "$0" --foreground --config "$1"'
    if listening != _LISTEN_FD:
        os.dup2(listening, _LISTEN_FD)
    with log.open("wb") as output:
        return subprocess.Popen(  # noqa: S603 - pcscd, found by our own search
            ["/bin/sh", "-c", script, str(program), str(configuration)],
            pass_fds=(_LISTEN_FD,),
            stdout=output,
            stderr=output,
            env={**os.environ, "LISTEN_FDS": "1"},
        )


def _wait(process: subprocess.Popen[bytes], ports: list[int]) -> bool:
    deadline = time.monotonic() + _START_SECONDS
    wanted = {port + slot for port in ports for slot in range(_SLOTS)}
    while not wanted <= _listening():
        if process.poll() is not None or time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def main(arguments: list[str]) -> int:
    """Runs until the control socket closes; returns the exit status."""
    program, driver, directory = (Path(argument) for argument in arguments[:3])
    readers, listening, control_fd = (int(argument) for argument in arguments[3:])
    # A terminal's Ctrl-C is for the parent, which closes the control socket when it is ready.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Out of the way of the descriptor that socket activation wants, and not for pcscd to inherit.
    control = socket.socket(fileno=fcntl.fcntl(control_fd, fcntl.F_DUPFD_CLOEXEC, _LISTEN_FD + 1))
    os.close(control_fd)
    isolated = isolate()
    ports = free_ports(readers)
    configuration = write_configuration(directory, driver, ports)
    process = _start(program, configuration, listening, directory / "pcscd.log")
    try:
        if len(ports) == readers and _wait(process, ports):
            control.send(b"isolated" if isolated else b"shared")
        else:
            control.send(b"failed")
        serve(control, ports)
        return 0
    finally:
        _end(process)
        # The parent does this too, unless it was killed; it has read the log by now.
        shutil.rmtree(directory, ignore_errors=True)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(5.0)
    except subprocess.TimeoutExpired:
        process.kill()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
