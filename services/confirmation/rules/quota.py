"""How much a body may ask for one affair: so many residents a day, and at what pace."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta

from services.confirmation.refusals import PaceExceeded, QuotaExhausted
from services.confirmation.rules.admission import JAPAN
from services.confirmation.rules.purposes import Grant

Key = tuple[str, str]
"""A body and an affair."""


class Meter:
    """Counts residents asked about, by body and affair: for the day, and against a token bucket.

    A bucket may be overdrawn by one question that is about many; whoever overdraws waits until it is made good.
    """

    def __init__(self) -> None:
        self._day = date.min
        self._used: dict[Key, int] = {}
        self._buckets: dict[Key, tuple[float, datetime]] = {}

    def restore(self, day: date, used: Mapping[Key, int]) -> None:
        """Takes up what was counted on `day` before the node started."""
        self._day = day
        self._used = dict(used)

    def take(self, grant: Grant, count: int, now: datetime) -> None:
        """Counts `count` residents; refuses QUOTA_EXHAUSTED and PACE_EXCEEDED, and then counts nothing."""
        if grant.pace_per_second is None and grant.quota_per_day is None:
            return
        self.check_pace(grant, now)
        self.check_quota(grant, count, now)
        key = _key(grant)
        if grant.quota_per_day is not None:
            self._used[key] = self._used.get(key, 0) + count
        if grant.pace_per_second is not None:
            self._buckets[key] = (self._tokens(grant, grant.pace_per_second, now) - count, now)

    def check_pace(self, grant: Grant, now: datetime) -> None:
        """Refuses PACE_EXCEEDED while the pace lets nothing through."""
        wait = self.wait_of(grant, now)
        if wait > 0:
            pace = f"{grant.pace_per_second:g}"
            raise PaceExceeded("wait, and ask more slowly", pace=pace, retry_seconds=math.ceil(wait))

    def check_quota(self, grant: Grant, count: int, now: datetime) -> None:
        """Refuses QUOTA_EXHAUSTED where `count` more residents are too many for the day."""
        left = self.left_of(grant, now)
        if left is not None and count > left:
            retry = _until_tomorrow(now)
            raise QuotaExhausted("go on tomorrow", quota=grant.quota_per_day or 0, retry_seconds=retry)

    def wait_of(self, grant: Grant, now: datetime) -> float:
        """Returns the seconds until the pace lets another question through."""
        pace = grant.pace_per_second
        if pace is None:
            return 0.0
        tokens = self._tokens(grant, pace, now)
        return 0.0 if tokens >= 1 else (1 - tokens) / pace

    def left_of(self, grant: Grant, now: datetime) -> int | None:
        """Returns how many residents may still be asked about today; None without a quota."""
        if grant.quota_per_day is None:
            return None
        self._turn(now)
        return max(0, grant.quota_per_day - self._used.get(_key(grant), 0))

    def _turn(self, now: datetime) -> None:
        today = now.astimezone(JAPAN).date()
        if today > self._day:
            self._day = today
            self._used.clear()

    def _tokens(self, grant: Grant, pace: float, now: datetime) -> float:
        tokens, since = self._buckets.get(_key(grant), (float(grant.pace_burst), now))
        # A clock that was put back refills nothing, and takes nothing away.
        return min(grant.pace_burst, tokens + max(0.0, (now - since).total_seconds()) * pace)


def _key(grant: Grant) -> Key:
    return grant.body, grant.affair.affair_id


def _until_tomorrow(now: datetime) -> int:
    here = now.astimezone(JAPAN)
    midnight = datetime.combine(here.date() + timedelta(days=1), time(), JAPAN)
    return math.ceil((midnight - here).total_seconds())
