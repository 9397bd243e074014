"""Which days an act may carry, and which municipality a move may name on its day."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta, timezone

from services.foundation.refusals import Refusal
from services.municipal import refusals
from services.municipal.rules.record import Record
from services.vocabulary.change import ChangeReason
from services.vocabulary.civil_date import CivilDate
from services.vocabulary.dates import EventDates, check_dates
from services.vocabulary.local_government_code import LocalGovernmentCode
from services.vocabulary.malformed import Malformed
from services.vocabulary.municipalities import municipality_at

_JAPAN = timezone(timedelta(hours=9))  # without summer time since 1951

_BY_REASON: dict[str, type[Refusal]] = {
    kind.reason: kind
    for kind in (
        refusals.DateInFuture,
        refusals.DateNotifiedInFuture,
        refusals.DateNotifiedBeforeEvent,
        refusals.DateBeforeBirth,
        refusals.MunicipalityUnknown,
        refusals.MunicipalityAbolished,
        refusals.MunicipalityNotYet,
    )
}


def japanese_day(instant: datetime) -> date:
    """Returns the day that it is in Japan at `instant`, which is aware."""
    return instant.astimezone(_JAPAN).date()


def event_dates(event_on: date, notified_on: date | None, processed_at: datetime) -> EventDates:
    """Puts the three days of an act together; refuses DATE_NOTIFIED_IN_FUTURE."""
    with _refused():
        return EventDates(event_on, notified_on, japanese_day(processed_at))


def check_event(reason: ChangeReason, dates: EventDates, born: CivilDate) -> None:
    """Refuses DATE_IN_FUTURE, DATE_NOTIFIED_BEFORE_EVENT and DATE_BEFORE_BIRTH."""
    with _refused():
        check_dates(reason, dates, born=born)


def check_since_entry(record: Record, event_on: date) -> None:
    """Refuses DATE_BEFORE_ENTRY: what happened before the person became a resident is another municipality's."""
    if event_on < record.resident_since:
        raise refusals.DateBeforeEntry("correct the day, or the day on which the person became a resident")


def check_planned(event_on: date, processed_on: date, most_days: int) -> None:
    """Refuses DATE_TOO_FAR_AHEAD for a move-out planned for later than `most_days` from now."""
    if event_on > processed_on + timedelta(days=most_days):
        raise refusals.DateTooFarAhead("report the move-out nearer to its day", days=most_days)


def check_other_end(code: LocalGovernmentCode, own: LocalGovernmentCode, day: date) -> None:
    """Refuses a municipality that a move on `day` cannot have at its other end.

    Refuses MUNICIPALITY_UNKNOWN, MUNICIPALITY_ABOLISHED, MUNICIPALITY_NOT_YET, MUNICIPALITY_KEEPS_NO_REGISTER and
    MUNICIPALITY_IS_OWN, which would be a relocation.
    """
    if code == own:
        raise refusals.MunicipalityIsOwn("report a relocation inside the municipality")
    with _refused():
        municipality = municipality_at(code, day)
    if not municipality.keeps_register:
        raise refusals.MunicipalityKeepsNoRegister("name the city that the ward belongs to", code=code.digits)


@contextmanager
def _refused() -> Iterator[None]:
    """Turns what the vocabulary says of days and places into this tier's refusals."""
    try:
        yield
    except Malformed as malformed:
        raise _BY_REASON[malformed.reason](malformed.advice) from None
