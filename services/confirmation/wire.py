"""How messages become values of this room, and its answers become messages."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

from google.protobuf import timestamp_pb2

from juki.common.v1 import change_pb2, civil_date_pb2, person_pb2
from juki.confirmation.v1 import confirmation_service_pb2 as confirmation_pb
from services.confirmation.refusals import ChangeMalformed
from services.confirmation.rules.matching import Outcome
from services.confirmation.rules.purposes import Grant, Item
from services.confirmation.rules.record import ReportedChange
from services.confirmation.rules.release import Release
from services.foundation.refusals import FieldMalformed
from services.vocabulary.attributes import AttributeComparison, FourAttributes, Verdict
from services.vocabulary.change import ChangeReason
from services.vocabulary.civil_date import CivilDate
from services.vocabulary.local_government_code import LocalGovernmentCode
from services.vocabulary.malformed import Malformed
from services.vocabulary.resident_code import ResidentCode
from services.vocabulary.sex import Sex
from services.vocabulary.text import Address, PersonName

_REASONS = {change_pb2.ChangeReason.Value(f"CHANGE_REASON_{reason.name}"): reason for reason in ChangeReason}
_REASONS_PB = {reason: number for number, reason in _REASONS.items()}
_OUTCOMES_PB = {outcome: confirmation_pb.Outcome.Value(f"OUTCOME_{outcome.name}") for outcome in Outcome}
_VERDICTS_PB = {verdict: confirmation_pb.Verdict.Value(f"VERDICT_{verdict.name}") for verdict in Verdict}


class _Fault(Exception):  # noqa: N818 - never leaves this module
    """A field whose value is not of its form."""

    def __init__(self, field: str, malformed: Malformed) -> None:
        super().__init__(malformed.advice)
        self.field = field
        self.malformed = malformed


def read_change(event: change_pb2.ChangeEvent) -> ReportedChange:
    """Reads a reported change; refuses CHANGE_MALFORMED with the field and its fault."""
    try:
        return _change(event)
    except _Fault as fault:
        raise ChangeMalformed(fault.malformed.advice, field=fault.field, form=fault.malformed.reason) from None


def read_asserted(attributes: person_pb2.FourAttributes, path: str) -> FourAttributes:
    """Reads the four attributes that a caller asserts, at `path` of its request; refuses FIELD_MALFORMED."""
    try:
        return _attributes(attributes, path)
    except _Fault as fault:
        raise FieldMalformed(fault.malformed.advice, field=fault.field, form=fault.malformed.reason) from None


def read_code(digits: str, path: str) -> str:
    """Returns the digits of a resident code, checked; refuses FIELD_MALFORMED."""
    try:
        return ResidentCode(digits).digits
    except Malformed as malformed:
        raise FieldMalformed(malformed.advice, field=path, form=malformed.reason) from None


def code_or_none(digits: str) -> str | None:
    """Returns the digits of a resident code, or None when no resident can have it."""
    try:
        return ResidentCode(digits).digits
    except Malformed:
        return None


def answer_pb(release: Release, pairwise_id: str, key_version: int) -> confirmation_pb.Answer:
    """Makes the answer: the outcome, the verdicts, and of the record the identifier and the released items."""
    finding, items = release.finding, release.items
    answer = confirmation_pb.Answer(outcome=_OUTCOMES_PB[finding.outcome])
    if finding.verdicts is not None:
        answer.verdicts.CopyFrom(_verdicts_pb(finding.verdicts))
    if finding.record is None:
        return answer
    answer.pairwise_id = pairwise_id
    answer.pairwise_key_version = key_version
    if not items:
        return answer
    held = finding.record.held
    if Item.NAME in items:
        answer.name = held.name
    if Item.BIRTH_DATE in items:
        answer.birth_date.CopyFrom(date_pb(held.birth_date))
    if Item.SEX in items:
        answer.sex = person_pb2.Sex.ValueType(held.sex)
    if Item.ADDRESS in items:
        answer.address = held.address
    if Item.RESIDENT_CODE in items:
        answer.resident_code = finding.record.resident_code
    if Item.CHANGE in items:
        answer.change_reason = _REASONS_PB[finding.record.last_reason]
        answer.change_date.CopyFrom(date_pb(finding.record.last_event_date))
    return answer


def change_pb(index: int, position: int, reason: str, event_date: str, items: list[str]) -> confirmation_pb.Change:
    """Makes one line of a resident's change history."""
    return confirmation_pb.Change(
        code_index=index,
        position=position,
        reason=_REASONS_PB[ChangeReason(reason)],
        event_date=date_pb(event_date),
        changed_items=items,
    )


def grant_pb(grant: Grant, *, switched_on: bool, quota_left: int | None) -> confirmation_pb.GrantedPurpose:
    """Makes one row of what a body may ask for."""
    last_day = grant.last_day
    return confirmation_pb.GrantedPurpose(
        affair_id=grant.affair.affair_id,
        affair=grant.affair.text,
        article=grant.affair.article,
        items=[item for item in Item if item in grant.items],
        ways=sorted(grant.ways),
        effective_from=date_pb(grant.first_day.isoformat()),
        effective_until=None if last_day is None else date_pb(last_day.isoformat()),
        level=grant.affair.level,
        switched_on=switched_on,
        verdicts_only=grant.verdicts_only,
        quota_per_day=grant.quota_per_day or 0,
        quota_left=quota_left or 0,
        pace_per_second=grant.pace_per_second or 0,
        domain=grant.domain,
        hand_over=sorted(grant.hand_over),
    )


def outcome_pb(outcome: Outcome) -> confirmation_pb.Outcome.ValueType:
    """Makes an outcome."""
    return _OUTCOMES_PB[outcome]


@lru_cache(maxsize=65_536)
def date_pb(iso: str) -> civil_date_pb2.CivilDate:
    """Makes a date from its ISO form, whose month or day may be missing; callers copy it and never change it."""
    date = CivilDate.parse_iso(iso)
    return civil_date_pb2.CivilDate(year=date.year, month=date.month or 0, day=date.day or 0)


def _verdicts_pb(verdicts: AttributeComparison) -> confirmation_pb.Verdicts:
    return confirmation_pb.Verdicts(
        name=_VERDICTS_PB[verdicts.name],
        birth_date=_VERDICTS_PB[verdicts.birth_date],
        sex=_VERDICTS_PB[verdicts.sex],
        address=_VERDICTS_PB[verdicts.address],
    )


def _change(event: change_pb2.ChangeEvent) -> ReportedChange:
    former_code = event.former_resident_code
    former = event.former_attributes if event.HasField("former_attributes") else None
    if event.reason not in _REASONS:
        raise _Fault("reason", Malformed("CHANGE_REASON_UNKNOWN", "give a reason that this version knows"))
    if not event.HasField("process_time"):
        raise _Fault("process_time", Malformed("TIME_MISSING", "give the instant of processing"))
    return ReportedChange(
        municipality=_municipality(event.municipality_code),
        resident_code=_code(event.resident_code, "resident_code"),
        former_resident_code=_code(former_code, "former_resident_code") if former_code else None,
        reason=_REASONS[event.reason],
        attributes=_attributes(event.attributes, "attributes"),
        former_attributes=None if former is None else _attributes(former, "former_attributes"),
        event_date=_date(event.event_date, "event_date"),
        processed_at=_instant(event.process_time),
    )


def _attributes(attributes: person_pb2.FourAttributes, path: str) -> FourAttributes:
    try:
        field = "name"
        name = PersonName(attributes.name)
        field = "birth_date"
        birth_date = _plain_date(attributes.birth_date)
        field = "sex"
        sex = Sex.of(attributes.sex)
        field = "address"
        return FourAttributes(name, birth_date, sex, Address(attributes.address))
    except Malformed as malformed:
        raise _Fault(f"{path}.{field}", malformed) from None


def _municipality(digits: str) -> LocalGovernmentCode:
    try:
        return LocalGovernmentCode(digits)
    except Malformed as malformed:
        raise _Fault("municipality_code", malformed) from None


def _code(digits: str, path: str) -> ResidentCode:
    try:
        return ResidentCode(digits)
    except Malformed as malformed:
        raise _Fault(path, malformed) from None


def _date(date: civil_date_pb2.CivilDate, path: str) -> CivilDate:
    try:
        return _plain_date(date)
    except Malformed as malformed:
        raise _Fault(path, malformed) from None


def _instant(time: timestamp_pb2.Timestamp) -> datetime:
    try:
        return time.ToDatetime(UTC)
    except (ValueError, OverflowError):
        raise _Fault("process_time", Malformed("TIME_IMPOSSIBLE", "give an instant of the years 1 to 9999")) from None


def _plain_date(date: civil_date_pb2.CivilDate) -> CivilDate:
    return CivilDate(date.year, date.month or None, date.day or None)
