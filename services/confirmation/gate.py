"""What every question passes before a look-up: its purpose, its case number, its quota and its pace."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Protocol

from juki.common.v1 import purpose_pb2
from services.confirmation.questions import Asking
from services.confirmation.rules.admission import JAPAN
from services.confirmation.rules.purposes import PurposeTable, Way, check_case_number, decide
from services.confirmation.rules.quota import Meter
from services.foundation.clock import Clock
from services.foundation.refusals import Refusal
from services.foundation.rpc.call import Call

AFFAIR = re.compile(r"[a-z][a-z0-9@-]{0,31}")
"""Form of what is repeated in a refusal's facts: an unknown affair is logged, but not any text at all, nor a code."""


class InForce(Protocol):
    """Knows the purposes table by which this node answers, and what was asked under it."""

    @property
    def meter(self) -> Meter:
        """Counts what is asked."""
        ...

    async def ready(self) -> None:
        """Waits until there is a table; refuses PURPOSES_NOT_READY."""
        ...

    def current(self) -> PurposeTable:
        """Returns the table in force."""
        ...

    def in_force(self) -> PurposeTable:
        """Returns the table to answer by; refuses PURPOSES_VERSION_DIFFERS."""
        ...


class PurposeGate:
    """Lets questions through, or refuses them; what is refused carries its affair and case to the log."""

    def __init__(self, purposes: InForce, clock: Clock) -> None:
        self._purposes = purposes
        self._clock = clock

    async def admit(
        self, call: Call, purpose: purpose_pb2.Purpose, way: Way, action: str, request_id: str = ""
    ) -> Asking:
        """Returns who asks, under which grant; refuses CASE_NUMBER_MALFORMED, and as `decide`."""
        await self._purposes.ready()
        case = check_case_number(purpose.case_number)
        try:
            grant = decide(self._purposes.in_force(), call.peer.name, purpose.affair_id, way, self.today())
        except Refusal as refusal:
            refusal.facts["case"] = case
            if AFFAIR.fullmatch(purpose.affair_id):
                refusal.facts["affair"] = purpose.affair_id
            raise
        return Asking(call, request_id or call.request_id, grant, case, action)

    def again(self, asking: Asking, way: Way) -> Asking:
        """Decides once more for a stream that goes on, since the day or the table may be another by now."""
        with told(asking):
            body, affair = asking.grant.body, asking.grant.affair.affair_id
            grant = decide(self._purposes.in_force(), body, affair, way, self.today())
        return asking if grant is asking.grant else dataclasses.replace(asking, grant=grant)

    def count(self, asking: Asking, residents: int = 1) -> None:
        """Counts residents against quota and pace; refuses QUOTA_EXHAUSTED and PACE_EXCEEDED."""
        self._purposes.meter.take(asking.grant, residents, self._clock.now())

    def wait_of(self, asking: Asking) -> float:
        """Returns the seconds until the pace lets more through."""
        return self._purposes.meter.wait_of(asking.grant, self._clock.now())

    def today(self) -> date:
        """Returns the day in Japan."""
        return self._clock.now().astimezone(JAPAN).date()


@contextmanager
def told(asking: Asking) -> Iterator[None]:
    """Lets a refusal after the gate carry its affair and case to the log."""
    try:
        yield
    except Refusal as refusal:
        refusal.facts |= {"affair": asking.grant.affair.affair_id, "case": asking.case}
        raise
