"""Becomes a command that gets a signal when its parent dies, however the parent dies.

Usage: python -I -S tether.py <parent pid> <signal number> <user or -> <command> [argument ...]

Runs as a script with the standard library only, because it stands at the start of every process. Where the kernel has
no such signal (anywhere but Linux) the command runs untethered, and the next start ends it.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import sys

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Drops to the user, ties the process to its parent, and replaces itself by the command."""
    parent, signal_number, user, *command = arguments
    if user != "-":
        account = pwd.getpwnam(user)
        os.setgroups([account.pw_gid])
        os.setgid(account.pw_gid)
        os.setuid(account.pw_uid)
    if sys.platform == "linux":
        # After the change of user: the kernel forgets the signal when credentials change.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal_number))
        # The parent may have died before the kernel knew; then no signal will ever come.
        if os.getppid() != int(parent):
            sys.exit("the supervisor is gone")
    os.execv(command[0], command)  # noqa: S606 - no shell is the point


if __name__ == "__main__":
    main(sys.argv[1:])
