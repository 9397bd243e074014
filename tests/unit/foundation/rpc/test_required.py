"""Which REQUIRED fields are missing, in messages of the contract."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from juki.confirmation.v1 import confirmation_service_pb2 as confirmation_pb
from juki.exchange.v1 import exchange_service_pb2 as exchange_pb
from juki.municipal.v1 import register_service_pb2 as register_pb
from services.foundation.rpc.required import missing_fields


def test_an_empty_request_lacks_each_required_field_of_its_own() -> None:
    assert set(missing_fields(register_pb.ReportBirthRequest())) == {"act", "entrant", "household"}


def test_fields_inside_a_present_message_are_missed_with_their_path() -> None:
    request = register_pb.ReportBirthRequest(household="households/1")
    request.act.request_id = "r"
    request.entrant.name = "n"

    missing = missing_fields(request)

    assert {"act.event_date", "entrant.kana", "entrant.birth_date", "entrant.sex", "entrant.relation"} == set(missing)


def test_an_empty_message_in_a_required_field_counts_as_given() -> None:
    request = register_pb.ReportBirthRequest(household="households/1")
    request.entrant.birth_date.SetInParent()

    assert "entrant.birth_date" not in missing_fields(request)


def test_a_required_list_must_not_be_empty() -> None:
    assert "deliveries" in missing_fields(exchange_pb.DeliverRequest())


def test_fields_inside_list_elements_are_missed_with_their_index() -> None:
    batch = confirmation_pb.BulkBatch(number=1)
    batch.questions.add(resident_code="1")
    batch.questions.add()
    request = confirmation_pb.ConfirmBulkRequest(batch=batch)

    assert missing_fields(request) == ["batch.questions[1].resident_code"]


def test_an_absent_alternative_of_a_oneof_is_not_missed() -> None:
    request = confirmation_pb.ConfirmBulkRequest()
    request.header.request_id = "r"
    request.header.purpose.affair_id = "a"

    assert all(path.startswith("header.purpose.") for path in missing_fields(request))


def test_a_message_without_required_fields_lacks_nothing() -> None:
    assert missing_fields(exchange_pb.GetPositionRequest()) == []


@given(st.lists(st.booleans(), min_size=1, max_size=40))
def test_exactly_the_empty_elements_are_missed(filled: list[bool]) -> None:
    batch = confirmation_pb.BulkBatch(number=1)
    for each in filled:
        batch.questions.add(resident_code="1" if each else "")

    expected = [f"questions[{index}].resident_code" for index, each in enumerate(filled) if not each]

    assert missing_fields(batch) == expected
