"""Does the supervisor's file come back as it was written, and its lock hold?"""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.local.layout import Layout
from deploy.local.refusals import AlreadyRunning
from deploy.local.state import Phase, ProcessState, RunState, Step, held_lock, is_locked, read


def test_the_state_comes_back_as_it_was_written(tmp_path: Path) -> None:
    state = RunState(
        4711,
        "ab" * 32,
        Phase.READY,
        [Step("Starting 東京都", 1.5), Step("waiting")],
        {"postgres": ProcessState("postgres", "ready", 12, 1.25, "/data", 3)},
        {"reason": "PORT_TAKEN"},
    )

    state.write(tmp_path / "state.json")

    assert read(tmp_path / "state.json") == state


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"pid": 1, "topology": "", "phase": "asleep"}'])
def test_a_damaged_state_is_as_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "state.json").write_text(content)

    assert read(tmp_path / "state.json") is None
    assert read(tmp_path / "absent.json") is None


def test_a_lock_keeps_a_second_supervisor_out_and_leaves_nothing_behind(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    assert not is_locked(layout)
    with held_lock(layout):
        RunState(4711, "").write(layout.state)
        assert is_locked(layout)
        with pytest.raises(AlreadyRunning) as refused, held_lock(layout):
            pass

    assert refused.value.facts["pid"] == "4711"
    assert not is_locked(layout)
