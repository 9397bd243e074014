"""How synthetic people and days are written on the wire."""

from __future__ import annotations

import uuid
from datetime import date

from deploy.local.residents import Arrival, Person
from juki.common.v1 import civil_date_pb2, person_pb2
from juki.municipal.v1 import register_service_pb2 as register_pb
from juki.municipal.v1 import resident_pb2

_SEX = {"男": person_pb2.SEX_MALE, "女": person_pb2.SEX_FEMALE}


def civil_date(day: date) -> civil_date_pb2.CivilDate:
    """Writes a day that is wholly known."""
    return civil_date_pb2.CivilDate(year=day.year, month=day.month, day=day.day)


def act(day: date, request_id: str = "") -> resident_pb2.Act:
    """Writes the intent and the day of an act; a new intent unless one is given."""
    return resident_pb2.Act(request_id=request_id or str(uuid.uuid4()), event_date=civil_date(day))


def entrant(person: Person, resident_code: str = "") -> resident_pb2.Entrant:
    """Writes a person who enters the register, with the code that they have already."""
    birth = civil_date(person.birth) if person.birth_day_known else civil_date_pb2.CivilDate(year=person.birth.year)
    return resident_pb2.Entrant(
        name=person.name,
        kana=person.kana,
        birth_date=birth,
        sex=_SEX[person.sex],
        relation=person.relation,
        resident_code=resident_code,
    )


def target(resident: resident_pb2.Resident) -> resident_pb2.Target:
    """Writes a resident to act upon, as seen."""
    return resident_pb2.Target(resident=resident.name, etag=resident.etag)


def move_in_request(arrival: Arrival) -> register_pb.ReportMoveInRequest:
    """Writes the move-in of a synthetic household."""
    return register_pb.ReportMoveInRequest(
        act=act(arrival.moved_on, arrival.request_id),
        entrants=[entrant(person) for person in arrival.people],
        address=arrival.address,
        former_municipality_code=arrival.former_municipality_code,
        former_address=arrival.former_address,
    )
