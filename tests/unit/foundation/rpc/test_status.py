"""Refusals written as statuses and read again."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc.aio import AioRpcError, Metadata
from hypothesis import given
from hypothesis import strategies as st

from services.foundation.refusals import FieldMalformed, FieldMissing, Kind, Refusal
from services.foundation.rpc.status import code_of, refusal_of, status_of, trailers_of

_names = st.from_regex(r"[a-z][a-zA-Z]{0,20}", fullmatch=True)


def refusal(kind: Kind, reason: str = "THING_NOT_FOUND", **facts: str) -> Refusal:
    made: type[Refusal] = type("Made", (Refusal,), {"kind": kind, "reason": reason})
    return made("do something else", **facts)


def error_of(refused: Refusal) -> AioRpcError:
    """The error that a client sees."""
    trailers = trailers_of(status_of(refused, "municipal.juki.example"))
    return AioRpcError(code_of(refused), Metadata(), Metadata(*trailers), f"{refused.reason}: {refused.advice}")


def details_of(refused: Refusal, kind: type[Any]) -> list[Any]:
    found = []
    for detail in status_of(refused, "municipal.juki.example").details:
        message = kind()
        if detail.Unpack(message):
            found.append(message)
    return found


@pytest.mark.parametrize("kind", list(Kind))
def test_each_kind_crosses_the_wire_and_comes_back(kind: Kind) -> None:
    read = refusal_of(error_of(refusal(kind, "SOME_REASON", peer="municipal/131016")))

    assert read is not None
    assert (read.kind, read.reason, read.advice) == (kind, "SOME_REASON", "do something else")
    assert (read.facts, read.domain) == ({"peer": "municipal/131016"}, "municipal.juki.example")


@given(st.dictionaries(_names, st.text(), max_size=5))
def test_facts_come_back_as_they_were(facts: dict[str, str]) -> None:
    facts.pop("advice", None)
    read = refusal_of(error_of(refusal(Kind.DENIED, **facts)))

    assert read is not None
    assert read.facts == facts


def test_each_type_of_detail_is_there_at_most_once() -> None:
    for kind in Kind:
        urls = [detail.type_url for detail in status_of(refusal(kind, field="a", fields="a b"), "d").details]

        assert len(urls) == len(set(urls))


def test_a_malformed_field_is_blamed_by_its_path() -> None:
    (request,) = details_of(
        FieldMalformed("mend it", field="act.request_id", form="CHECK_DIGIT_WRONG"), error_details_pb2.BadRequest
    )

    assert [(each.field, each.reason) for each in request.field_violations] == [("act.request_id", "CHECK_DIGIT_WRONG")]


def test_every_missing_field_is_blamed() -> None:
    (request,) = details_of(FieldMissing("fill in", fields="a b.c"), error_details_pb2.BadRequest)

    assert [each.field for each in request.field_violations] == ["a", "b.c"]


@pytest.mark.parametrize("kind", list(Kind))
def test_only_what_can_be_tried_again_says_when(kind: Kind) -> None:
    told = details_of(refusal(kind), error_details_pb2.RetryInfo)

    assert bool(told) == (kind in (Kind.UNREACHABLE, Kind.STALE))


def test_what_is_absent_is_told_by_its_type_alone() -> None:
    (info,) = details_of(refusal(Kind.ABSENT, resident="residents/7"), error_details_pb2.ResourceInfo)

    assert (info.resource_type, info.resource_name) == ("thing", "")


def test_an_error_without_details_is_no_refusal() -> None:
    assert refusal_of(AioRpcError(grpc.StatusCode.UNAVAILABLE, Metadata(), Metadata(), "connection lost")) is None


@pytest.mark.parametrize("details", [b"\xff\xff", b""])
def test_details_that_cannot_be_read_are_no_refusal(details: bytes) -> None:
    trailers = Metadata(("grpc-status-details-bin", details))

    assert refusal_of(AioRpcError(grpc.StatusCode.NOT_FOUND, Metadata(), trailers, "")) is None


def test_details_that_contradict_the_code_are_not_believed() -> None:
    trailers = Metadata(*trailers_of(status_of(refusal(Kind.ABSENT), "d")))

    assert refusal_of(AioRpcError(grpc.StatusCode.PERMISSION_DENIED, Metadata(), trailers, "")) is None
