"""What is written to the wire is read again as it was."""

from __future__ import annotations

from datetime import UTC, date, datetime

from hypothesis import given
from hypothesis import strategies as st

from juki.common.v1 import change_pb2
from services.municipal.rules.notification import Notification
from services.municipal.wire import parse, write
from services.vocabulary.attributes import FourAttributes
from services.vocabulary.change import ChangeReason
from services.vocabulary.civil_date import CivilDate
from services.vocabulary.local_government_code import LocalGovernmentCode
from services.vocabulary.resident_code import ResidentCode
from services.vocabulary.sex import Sex
from services.vocabulary.text import Address, PersonName

_CITY = LocalGovernmentCode("131016")

texts = st.text("髙橋葛西千代カサイ一二三", min_size=1, max_size=20)
codes = st.integers(0, 10**10 - 1).map(lambda body: ResidentCode.from_body(f"{body:010d}"))
birth_dates = st.one_of(
    st.just(CivilDate.unknown()),
    st.builds(CivilDate, st.integers(1868, 2200)),
    st.builds(CivilDate, st.integers(1868, 2200), st.integers(1, 12)),
    st.dates(date(1868, 1, 1), date(2200, 12, 31)).map(CivilDate.of),
)
attributes = st.builds(FourAttributes, texts.map(PersonName), birth_dates, st.sampled_from(Sex), texts.map(Address))
notifications = st.builds(
    Notification,
    code=codes,
    former_code=st.none() | codes,
    reason=st.sampled_from(ChangeReason),
    attributes=attributes,
    former_attributes=st.none() | attributes,
    event_on=st.dates(date(1868, 1, 1), date(2200, 12, 31)),
    processed_at=st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - hypothesis wants naive bounds
)


@given(notifications)
def test_a_notification_is_read_again_as_it_was_written(notification: Notification) -> None:
    assert parse.notification(write.change_event(notification, _CITY)) == notification


@given(notifications)
def test_one_notification_has_one_form(notification: Notification) -> None:
    data = write.change_event(notification, _CITY)

    assert write.change_event(parse.notification(data), _CITY) == data
    assert change_pb2.ChangeEvent.FromString(data).municipality_code == _CITY.digits


def test_every_reason_of_the_register_has_its_name_on_the_wire_and_no_other() -> None:
    on_the_wire = {number for number in change_pb2.ChangeReason.values() if number}

    assert {write.reason(reason) for reason in ChangeReason} == on_the_wire
    assert {parse.change_reason(number) for number in on_the_wire} == set(ChangeReason)
