"""Is a recorded process told apart from a stranger with its number?"""

from __future__ import annotations

import os
from dataclasses import replace

from deploy.local.processes import see


def test_a_process_is_recognised_by_number_start_and_command() -> None:
    me = see(os.getpid(), "pytest")

    assert me.is_alive()
    assert not replace(me, started_at=me.started_at - 60).is_alive()
    assert not replace(me, marker="no such word in the command").is_alive()


def test_a_process_that_has_ended_is_seen_as_dead() -> None:
    assert not see(2**22 + 1, "").is_alive()
