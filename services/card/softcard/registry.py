"""What the card's runtime keeps beside the applications: life cycle, and which applications there are."""

from __future__ import annotations

from services.card.apdu import StatusWord
from services.card.softcard.applet import require
from services.card.softcard.lifecycle import State, leads
from services.card.softcard.memory import Area, Memory

SYSTEM = b"\0"
"""The runtime's own area; no application has this name."""
DOMAIN = bytes.fromhex("A000000151000000")
"""Name and area of the security domain."""


class Registry:
    """The list of applications and the life cycle; only the security domain is given it."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._area = Area(memory, SYSTEM)

    @property
    def state(self) -> State:
        """Where the card is in its life."""
        return State((self._area.get("state") or b"\xff")[0])

    @property
    def applications(self) -> dict[bytes, int]:
        """The quota of each application by name; 0 for one with memory of its own."""
        names = [name for name in self._area.names() if name.startswith("app/")]
        return {bytes.fromhex(name[4:]): int.from_bytes(self._area.get(name) or b"", "big") for name in names}

    def area(self, aid: bytes) -> Area:
        """Returns an application's part of the memory."""
        return Area(self._memory, aid)

    def add(self, aid: bytes, quota: int) -> None:
        """Enters an application; refuses 6A89 for one that is there."""
        require(aid not in self.applications, StatusWord.FILE_EXISTS)
        self._area.put(f"app/{aid.hex()}", quota.to_bytes(2, "big"))

    def remove(self, aid: bytes) -> None:
        """Removes an application and all that it holds; refuses 6A88 for one that is not there."""
        require(aid in self.applications, StatusWord.REFERENCE_UNKNOWN)
        self._area.put(f"app/{aid.hex()}", None)
        self._memory.erase(aid)

    def move(self, to: State) -> None:
        """Changes the life cycle; refuses 6985. Termination erases everything in the same change."""
        require(leads(self.state, to), StatusWord.CONDITIONS)
        if to is State.TERMINATED:
            self._memory.erase()
        self._area.put("state", bytes((to,)))
