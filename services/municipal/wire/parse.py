"""What a request's fields say, as values that have been checked for their form."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date
from uuid import UUID

from juki.common.v1 import change_pb2, civil_date_pb2, person_pb2
from juki.municipal.v1 import register_read_service_pb2 as read_pb
from juki.municipal.v1 import register_service_pb2 as pb
from juki.municipal.v1 import resident_pb2
from services.foundation.refusals import FieldMalformed
from services.municipal.rules.correction import Correction
from services.municipal.rules.entry import Entrant
from services.municipal.rules.notification import Notification
from services.municipal.rules.search import Search
from services.municipal.rules.situation import Target
from services.vocabulary.attributes import FourAttributes
from services.vocabulary.change import ChangeReason
from services.vocabulary.civil_date import CivilDate
from services.vocabulary.local_government_code import LocalGovernmentCode
from services.vocabulary.malformed import Malformed
from services.vocabulary.resident_code import ResidentCode
from services.vocabulary.sex import Sex
from services.vocabulary.text import Address, Kana, PersonName

_MOST_PEOPLE = 20
_RELATION_LIMIT = 20


@dataclass(frozen=True, slots=True)
class Act:
    """What an act says of its days."""

    event_on: date
    notified_on: date | None
    """None where the request leaves it out."""


@contextmanager
def field(path: str) -> Iterator[None]:
    """Refuses FIELD_MALFORMED, with the path of the field, for what the vocabulary does not take."""
    try:
        yield
    except Malformed as malformed:
        raise FieldMalformed(malformed.advice, field=path, form=malformed.reason) from None


def act(message: resident_pb2.Act) -> Act:
    """Reads the days of an act; its request id is the gate's to read."""
    notified = message.notification_date if message.HasField("notification_date") else None
    return Act(
        _day(message.event_date, "act.event_date"),
        _day(notified, "act.notification_date") if notified is not None else None,
    )


def resident(name: str, path: str) -> UUID:
    """Reads the resource name of a resident."""
    return _resource(name, "residents", path)


def household(name: str, path: str = "household") -> UUID:
    """Reads the resource name of a household."""
    return _resource(name, "households", path)


def optional_household(name: str) -> UUID | None:
    """Reads the resource name of a household, None where it is left out."""
    return household(name) if name else None


def optional_head(name: str) -> UUID | None:
    """Reads the resource name of a new head, None where it is left out."""
    return resident(name, "new_head") if name else None


def target(message: resident_pb2.Target, path: str) -> Target:
    """Reads a resident to act upon."""
    kept = relation(message.relation, f"{path}.relation") if message.relation else ""
    return Target(resident=resident(message.resident, f"{path}.resident"), etag=message.etag, relation=kept)


def targets(messages: Sequence[resident_pb2.Target]) -> list[Target]:
    """Reads up to twenty residents to act upon."""
    _check_count(messages, "targets")
    return [target(one, f"targets[{index}]") for index, one in enumerate(messages)]


def members(messages: Sequence[pb.Membership]) -> list[Target]:
    """Reads up to twenty residents and their relation to the head of the household they enter."""
    _check_count(messages, "members")
    return [
        Target(
            resident=resident(one.target.resident, f"members[{index}].target.resident"),
            etag=one.target.etag,
            relation=relation(one.relation, f"members[{index}].relation"),
        )
        for index, one in enumerate(messages)
    ]


def entrants(messages: Sequence[resident_pb2.Entrant]) -> list[Entrant]:
    """Reads up to twenty people to enter."""
    _check_count(messages, "entrants")
    return [entrant(one, f"entrants[{index}]") for index, one in enumerate(messages)]


def entrant(message: resident_pb2.Entrant, path: str = "entrant") -> Entrant:
    """Reads a person to enter."""
    with field(f"{path}.name"):
        name = PersonName(message.name)
    with field(f"{path}.kana"):
        kana = Kana(message.kana)
    with field(f"{path}.sex"):
        sex = Sex.of(message.sex)
    return Entrant(
        name=name,
        kana=kana,
        birth_date=civil_date(message.birth_date, f"{path}.birth_date"),
        sex=sex,
        relation=relation(message.relation, f"{path}.relation"),
        code=code(message.resident_code, f"{path}.resident_code") if message.resident_code else None,
    )


def newborn(message: resident_pb2.Entrant) -> Entrant:
    """Reads a child whose birth is reported, and who can have no code yet."""
    if message.resident_code:
        raise FieldMalformed(
            "leave the code out: a newborn gets one", field="entrant.resident_code", form="NEWBORN_HAS_CODE"
        )
    return entrant(message)


def relation(text: str, path: str) -> str:
    """Reads a relation to the head of a household, 1 to 20 characters."""
    with field(path):
        checked = PersonName(text).text
    if len(checked) > _RELATION_LIMIT:
        raise FieldMalformed("shorten the relation to 20 characters", field=path, form="TEXT_TOO_LONG")
    return checked


def ground(text: str) -> str:
    """Reads the ground of an act by office, 1 to 200 characters."""
    return address(text, "ground").text


def address(text: str, path: str = "address") -> Address:
    """Reads an address."""
    with field(path):
        return Address(text)


def code(digits: str, path: str) -> ResidentCode:
    """Reads a resident code."""
    with field(path):
        return ResidentCode(digits)


def municipality(digits: str, path: str) -> LocalGovernmentCode | None:
    """Reads the code of a municipality, None where it is left out."""
    with field(path):
        return LocalGovernmentCode(digits) if digits else None


def civil_date(message: civil_date_pb2.CivilDate, path: str) -> CivilDate:
    """Reads a date of which parts may be unknown."""
    with field(path):
        return CivilDate(message.year, message.month or None, message.day or None)


def attributes(message: person_pb2.FourAttributes, path: str = "attributes") -> FourAttributes:
    """Reads the four attributes."""
    with field(f"{path}.name"):
        name = PersonName(message.name)
    with field(f"{path}.sex"):
        sex = Sex.of(message.sex)
    born = civil_date(message.birth_date, f"{path}.birth_date")
    return FourAttributes(name, born, sex, address(message.address, f"{path}.address"))


def change_reason(number: int, path: str = "reason") -> ChangeReason:
    """Reads a reason."""
    if number not in change_pb2.ChangeReason.values():
        raise FieldMalformed("give a reason of the contract", field=path, form="REASON_UNKNOWN")
    name = change_pb2.ChangeReason.Name(change_pb2.ChangeReason.ValueType(number))
    return ChangeReason(name.removeprefix("CHANGE_REASON_"))


def correction(request: pb.CorrectRecordRequest) -> Correction:
    """Reads a record as it shall be."""
    with field("kana"):
        kana = Kana(request.kana) if request.kana else None
    return Correction(
        reason=change_reason(request.reason),
        attributes=attributes(request.attributes),
        kana=kana,
        relation=relation(request.relation, "relation") if request.relation else "",
    )


def search(request: read_pb.SearchResidentsRequest) -> Search:
    """Reads what is looked for, folded."""
    with field("name"):
        name = PersonName(request.name).folded if request.name else ""
    with field("sex"):
        sex = Sex.of(request.sex) if request.sex else None
    born = civil_date(request.birth_date, "birth_date") if request.HasField("birth_date") else None
    return Search(
        code=code(request.resident_code, "resident_code") if request.resident_code else None,
        name=name,
        born=born,
        sex=sex,
        address=address(request.address).folded if request.address else "",
        include_removed=request.include_removed,
    )


def notification(data: bytes) -> Notification:
    """Reads a serialized change event that this municipality has sent."""
    event = change_pb2.ChangeEvent.FromString(data)
    former = event.former_resident_code
    return Notification(
        code=ResidentCode(event.resident_code),
        former_code=ResidentCode(former) if former else None,
        reason=change_reason(event.reason),
        attributes=attributes(event.attributes),
        former_attributes=attributes(event.former_attributes) if event.HasField("former_attributes") else None,
        event_on=civil_date(event.event_date, "event_date").to_date(),
        processed_at=event.process_time.ToDatetime(UTC),
    )


def _check_count(messages: Sequence[object], path: str) -> None:
    if len(messages) > _MOST_PEOPLE:
        raise FieldMalformed("name at most 20 people in one act", field=path, form="LIST_TOO_LONG")


def _day(message: civil_date_pb2.CivilDate, path: str) -> date:
    with field(path):
        return civil_date(message, path).to_date()


def _resource(name: str, collection: str, path: str) -> UUID:
    start, _, rest = name.partition("/")
    if start != collection:
        raise FieldMalformed(f"name it as {collection}/<id>", field=path, form="RESOURCE_NAME_MALFORMED")
    return _uuid(rest, path)


def _uuid(text: str, path: str) -> UUID:
    try:
        value = UUID(text)
    except ValueError:
        value = None
    if value is None or str(value) != text:
        raise FieldMalformed("give a UUID in lower case, with hyphens", field=path, form="UUID_MALFORMED")
    return value
