"""What the log may commit to of a request with secrets."""

from __future__ import annotations

from google.protobuf.unknown_fields import UnknownFieldSet

from juki.card.v1 import card_service_pb2 as card_pb
from juki.card.v1 import issuing_service_pb2 as issuing_pb
from services.foundation.rpc.messages import MessageCheck
from services.foundation.rpc.redaction import may_hold_secrets

_PIN = "4071"


def _kept(message: issuing_pb.IssueCardRequest | card_pb.VerifyPinRequest) -> bytes:
    return MessageCheck(type(message).FromString).keepable(message.SerializeToString())


def test_a_pin_is_not_kept_and_all_else_is() -> None:
    request = card_pb.VerifyPinRequest(request_id="r", session="s", pin=1, value=_PIN)  # type: ignore[arg-type]

    kept = card_pb.VerifyPinRequest.FromString(_kept(request))

    request.ClearField("value")
    assert kept == request


def test_a_pin_inside_another_message_is_not_kept() -> None:
    request = issuing_pb.IssueCardRequest(holder="residents/1", pins=issuing_pb.NewPins(juki_net=_PIN, signature="AB"))

    kept = issuing_pb.IssueCardRequest.FromString(_kept(request))

    assert kept.holder == "residents/1"
    assert kept.pins == issuing_pb.NewPins()


def test_a_request_that_cannot_be_read_is_not_kept_where_secrets_may_be() -> None:
    raw = card_pb.VerifyPinRequest(value=_PIN, session="XX").SerializeToString().replace(b"XX", b"\xff\xfe")

    assert MessageCheck(card_pb.VerifyPinRequest.FromString).keepable(raw) == b""


def test_a_secret_in_a_field_that_nobody_knows_is_not_kept() -> None:
    raw = card_pb.VerifyPinRequest(session="s").SerializeToString() + b"\xfa\x3f\x04" + _PIN.encode()

    kept = MessageCheck(card_pb.VerifyPinRequest.FromString).keepable(raw)

    assert len(UnknownFieldSet(card_pb.VerifyPinRequest.FromString(raw))) == 1
    assert _PIN.encode() not in kept


def test_a_request_without_secrets_is_kept_as_it_came() -> None:
    raw = card_pb.LockCardRequest(session="s").SerializeToString() + b"\xfa\x3f\x01x"

    assert not may_hold_secrets(card_pb.LockCardRequest.FromString)
    assert MessageCheck(card_pb.LockCardRequest.FromString).keepable(raw) is raw
