"""Whether a reported change may be looked at at all: whose it is, and whether its dates and its municipality can be."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from functools import lru_cache

from services.confirmation.refusals import (
    ChangeDateImpossible,
    ChangeOfAnotherMunicipality,
    ChangeRefused,
    MunicipalityAbolished,
    MunicipalityNotYet,
    MunicipalityOutsidePrefecture,
    MunicipalityUnknown,
    ProcessTimeInFuture,
    ReasonNotNotified,
)
from services.confirmation.rules.record import ReportedChange
from services.vocabulary.change import effect_of
from services.vocabulary.dates import EventDates, check_dates
from services.vocabulary.local_government_code import LocalGovernmentCode
from services.vocabulary.malformed import Malformed
from services.vocabulary.municipalities import municipality_at

JAPAN = timezone(timedelta(hours=9), "JST")
"""Days of the register are days of Japan, whatever the machine's zone."""

CLOCK_TOLERANCE = timedelta(minutes=10)
"""How far a municipality's clock may be ahead of this node's."""

_OF_MUNICIPALITY: dict[str, type[ChangeRefused]] = {
    "MUNICIPALITY_UNKNOWN": MunicipalityUnknown,
    "MUNICIPALITY_ABOLISHED": MunicipalityAbolished,
    "MUNICIPALITY_NOT_YET": MunicipalityNotYet,
}


def check_change(change: ReportedChange, sender: str, now: datetime) -> None:
    """Refuses a change that `sender` may not report, or whose dates cannot be; `now` is this node's time."""
    if not effect_of(change.reason).goes_up:
        raise ReasonNotNotified("keep changes of the household in the municipality")
    if change.municipality.digits != sender:
        raise ChangeOfAnotherMunicipality("report changes of your own register only", sender=sender)
    if change.processed_at > now + CLOCK_TOLERANCE:
        raise ProcessTimeInFuture("set the municipality's clock; the change passes once its time has come")
    _check_days(change)


def check_relay(municipality: LocalGovernmentCode, prefecture: str) -> None:
    """Refuses MUNICIPALITY_OUTSIDE_PREFECTURE unless `municipality` lies in `prefecture`, two digits."""
    if municipality.prefecture != prefecture or municipality.is_prefecture:
        raise MunicipalityOutsidePrefecture("relay changes of your own municipalities only", prefecture=prefecture)


def _check_days(change: ReportedChange) -> None:
    processed_on = change.processed_at.astimezone(JAPAN).date()
    if change.event_date.is_unknown:
        raise ChangeDateImpossible("give at least the year of the change", form="DATE_UNKNOWN")
    # Of a date that is not fully known, the day most in its favour counts.
    event_on = min(max(change.event_date.earliest(), processed_on), change.event_date.latest())
    born = change.attributes.birth_date
    try:
        check_dates(change.reason, EventDates(event_on, None, processed_on), born=born)
    except Malformed as malformed:
        raise ChangeDateImpossible(malformed.advice, form=malformed.reason) from None
    check_municipality(change.municipality, processed_on)
    check_municipality(change.municipality, event_on, older_admitted=True)


@lru_cache(maxsize=4096)
def check_municipality(code: LocalGovernmentCode, day: date, *, older_admitted: bool = False) -> None:
    """Refuses a municipality that the directory does not have on `day`.

    With `older_admitted` the day may lie before its foundation: the register of a merged municipality holds events
    older than the municipality itself.
    """
    try:
        municipality = municipality_at(code, day)
    except Malformed as malformed:
        if older_admitted and malformed.reason == "MUNICIPALITY_NOT_YET":
            return
        raise _OF_MUNICIPALITY[malformed.reason](malformed.advice, municipality=code.digits) from None
    if not municipality.keeps_register:
        raise MunicipalityUnknown("report as the body that keeps the register", municipality=code.digits)
