"""How the register's records, households and notifications are written as messages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from google.protobuf.timestamp_pb2 import Timestamp

from juki.common.v1 import change_pb2, civil_date_pb2, person_pb2
from juki.municipal.v1 import resident_pb2
from services.municipal.rules.notification import Notification
from services.municipal.rules.record import Record, State
from services.municipal.rules.situation import Household
from services.vocabulary.attributes import FourAttributes
from services.vocabulary.change import ChangeReason
from services.vocabulary.civil_date import CivilDate
from services.vocabulary.local_government_code import LocalGovernmentCode
from services.vocabulary.text import Address

_STATES = {
    State.LIVE: resident_pb2.Resident.STATE_LIVE,
    State.REMOVED: resident_pb2.Resident.STATE_REMOVED,
}


def resident(record: Record) -> resident_pb2.Resident:
    """Writes a row of a record."""
    dates = record.stamp.dates
    message = resident_pb2.Resident(
        name=f"residents/{record.resident}",
        state=_STATES[record.state],
        revision=record.revision,
        etag=record.etag,
        resident_code=record.code.digits,
        attributes=_as_entered(record.attributes),
        kana=record.kana.original,
        household=f"households/{record.household}",
        relation=record.relation,
        reason=reason(record.reason),
        event_date=_day(dates.event_on),
        former_address=_text(record.former_address),
        destination_address=_text(record.destination_address),
        resident_since=_day(record.resident_since),
    )
    message.process_time.FromDatetime(record.stamp.processed_at)
    if dates.notified_on is not None:
        message.notification_date.CopyFrom(_day(dates.notified_on))
    return message


def household(found: Household, members: Sequence[Record]) -> resident_pb2.Household:
    """Writes a household with its live members."""
    return resident_pb2.Household(
        name=f"households/{found.id}",
        head=f"residents/{found.head}" if found.head is not None else "",
        address=found.address.original,
        members=[resident(one) for one in members],
    )


def change_event(notification: Notification, own: LocalGovernmentCode) -> bytes:
    """Serializes a notification of the municipality `own`."""
    process_time = Timestamp()
    process_time.FromDatetime(notification.processed_at)
    former = notification.former_attributes
    event = change_pb2.ChangeEvent(
        municipality_code=own.digits,
        resident_code=notification.code.digits,
        former_resident_code=notification.former_code.digits if notification.former_code is not None else "",
        reason=reason(notification.reason),
        attributes=_normalised(notification.attributes),
        former_attributes=_normalised(former) if former is not None else None,
        event_date=_day(notification.event_on),
        process_time=process_time,
    )
    return event.SerializeToString(deterministic=True)


def reason(value: ChangeReason) -> change_pb2.ChangeReason.ValueType:
    """Writes a reason."""
    return change_pb2.ChangeReason.Value(f"CHANGE_REASON_{value.value}")


def _as_entered(attributes: FourAttributes) -> person_pb2.FourAttributes:
    return _attributes(attributes, attributes.name.original, attributes.address.original)


def _normalised(attributes: FourAttributes) -> person_pb2.FourAttributes:
    return _attributes(attributes, attributes.name.text, attributes.address.text)


def _attributes(attributes: FourAttributes, name: str, address: str) -> person_pb2.FourAttributes:
    return person_pb2.FourAttributes(
        name=name,
        birth_date=_civil_date(attributes.birth_date),
        sex=person_pb2.Sex.ValueType(int(attributes.sex)),
        address=address,
    )


def _civil_date(value: CivilDate) -> civil_date_pb2.CivilDate:
    return civil_date_pb2.CivilDate(year=value.year, month=value.month or 0, day=value.day or 0)


def _day(value: date) -> civil_date_pb2.CivilDate:
    return _civil_date(CivilDate.of(value))


def _text(address: Address | None) -> str:
    return address.original if address is not None else ""
