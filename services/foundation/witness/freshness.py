"""How long ago the log was last witnessed, and what follows from it."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from services.foundation.clock import Clock
from services.foundation.witness.refusals import LogNotWitnessed

_log = logging.getLogger(__name__)

ALARM_EVERY = timedelta(seconds=60)
"""How often the alarm is told while it lasts."""


class Freshness:
    """Tells whether the node may answer: not when its log has gone `refuse` without a witnessed checkpoint.

    Time is taken from the cosignatures, so a database put back to an earlier state is as old as it looks.
    """

    def __init__(self, clock: Clock, *, alarm: timedelta, refuse: timedelta) -> None:
        self._clock = clock
        self._alarm = alarm
        self._refuse = refuse
        self._since = clock.now()
        self._told: datetime | None = None

    def witnessed(self, at: datetime) -> None:
        """Notes when the quorum last held; a time to come counts as now."""
        self._since = min(at, self._clock.now())

    def rest(self) -> None:
        """Notes that there is nothing to witness: a log without entries is fresh."""
        self._since = self._clock.now()

    @property
    def age(self) -> timedelta:
        """How long the newest witnessed checkpoint has been the newest."""
        return self._clock.now() - self._since

    def check(self) -> None:
        """Refuses LOG_NOT_WITNESSED when the log has gone without witnesses for too long."""
        age = self.age
        if age >= self._refuse:
            raise LogNotWitnessed("ask again when the log's witnesses answer it", seconds=int(age.total_seconds()))

    def tell(self) -> None:
        """Raises the alarm in the log, now and then, while the log has gone without witnesses for long."""
        now, age = self._clock.now(), self.age
        if age < self._alarm:
            self._told = None
        elif self._told is None or now - self._told >= ALARM_EVERY:
            self._told = now
            _log.error("audit.not_witnessed", extra={"seconds": int(age.total_seconds())})
