"""How what an applicant stated becomes the four attributes of the protos."""

from __future__ import annotations

from juki.common.v1 import civil_date_pb2, person_pb2

_SEXES = {
    "1": person_pb2.SEX_MALE,
    "男": person_pb2.SEX_MALE,
    "2": person_pb2.SEX_FEMALE,
    "女": person_pb2.SEX_FEMALE,
    "9": person_pb2.SEX_NOT_KNOWN,
}


def asserted_of(name: str, birth_date: str, sex: str, address: str) -> person_pb2.FourAttributes:
    """Makes the four attributes: date as 1985-04-01 (or 1985-04, 1985, unknown), sex as 1, 2, 9, 男 or 女.

    Raises ValueError for another date or sex.
    """
    if sex not in _SEXES:
        raise ValueError("give the sex as 1, 2, 9, 男 or 女")
    return person_pb2.FourAttributes(name=name, birth_date=date_of(birth_date), sex=_SEXES[sex], address=address)


def date_of(iso: str) -> civil_date_pb2.CivilDate:
    """Makes a date of its ISO form; raises ValueError for another form."""
    if iso == "unknown":
        return civil_date_pb2.CivilDate()
    parts = [int(part) if part.isdecimal() else 0 for part in iso.split("-")]
    if len(parts) > 3 or not all(parts):
        raise ValueError("give a date as 1985-04-01, 1985-04, 1985 or unknown")
    return civil_date_pb2.CivilDate(**dict(zip(("year", "month", "day"), parts, strict=False)))
