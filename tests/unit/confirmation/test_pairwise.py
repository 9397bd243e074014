"""Pairwise identifiers: the same for one body, of no use to two."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import hmac
from collections.abc import Iterator
from pathlib import Path

import pytest

from juki.confirmation.v1 import confirmation_service_pb2 as pb
from services.confirmation.pairwise import FileKey, Pairwise
from services.confirmation.rules.matching import match_code
from services.confirmation.rules.purposes import Grant, Item
from services.confirmation.rules.release import release
from services.confirmation.wire import answer_pb
from services.foundation.keys import KeyUnreadable
from tests.unit.confirmation.makers import affair, code, grant, record

RESIDENTS = 100_000
PENSION = grant(body="relying/local-pension", items=frozenset())
CONSTRUCTION = grant(body="relying/construction", items=frozenset(), of=affair("b1-98"))


class KnownKey:
    """A key that the test knows too; counts how often it is asked."""

    def __init__(self, key: bytes = bytes(32), version: int = 1) -> None:
        self.version = version
        self.asked = 0
        self._key = key

    def mac(self, data: bytes) -> bytes:
        self.asked += 1
        return hmac.digest(self._key, data, "sha256")


def dump(pairwise: Pairwise, row: Grant, residents: int) -> Iterator[pb.Answer]:
    """What a body has after asking about everybody."""
    one = record()
    for number in range(1, residents + 1):
        held = dataclasses.replace(one, resident_code=code(number))
        found = release(match_code(held, None), row.items)
        yield answer_pb(found, pairwise.of(row, code(number)), pairwise.version)


def identifiers_in(answer: pb.Answer) -> set[str]:
    return {value for field, value in answer.ListFields() if field.name in ("pairwise_id", "resident_code")}


def test_the_answers_to_two_bodies_about_a_hundred_thousand_share_no_identifier() -> None:
    pairwise = Pairwise(KnownKey())

    first = {one for answer in dump(pairwise, PENSION, RESIDENTS) for one in identifiers_in(answer)}
    second = {one for answer in dump(pairwise, CONSTRUCTION, RESIDENTS) for one in identifiers_in(answer)}

    assert len(first) == len(second) == RESIDENTS
    assert first & second == set()


def test_a_join_would_be_found_if_both_had_the_code() -> None:
    released = release(match_code(record(), None), frozenset({Item.RESIDENT_CODE}))

    answers = [answer_pb(released, Pairwise(KnownKey()).of(row, code()), 1) for row in (PENSION, CONSTRUCTION)]

    assert identifiers_in(answers[0]) & identifiers_in(answers[1]) == {code()}


def test_an_identifier_is_what_the_documents_say() -> None:
    subkey = hmac.digest(bytes(32), b"juki-ppid/v1\0relying/local-pension\0general", "sha256")
    expected = base64.b32encode(hmac.digest(subkey, code().encode(), "sha256")[:20]).decode()

    identifier = Pairwise(KnownKey()).of(PENSION, code())

    assert identifier == expected
    assert len(identifier) == 32


def test_an_identifier_is_the_same_every_time_and_another_in_another_domain_version_or_for_another_resident() -> None:
    pairwise = Pairwise(KnownKey())
    of_domain = grant(body="relying/local-pension", domain="tax")

    found = {
        pairwise.of(PENSION, code()),
        pairwise.of(PENSION, code(2)),
        pairwise.of(of_domain, code()),
        Pairwise(KnownKey(bytes(31) + b"\1", 2)).of(PENSION, code()),
    }

    assert len(found) == 4
    assert pairwise.of(PENSION, code()) in found


def test_bodies_whose_names_run_together_do_not_meet() -> None:
    pairwise = Pairwise(KnownKey())
    rows = (grant(body="relying/a", domain="b-c"), grant(body="relying/a-b", domain="c"))

    assert pairwise.of(rows[0], code()) != pairwise.of(rows[1], code())


def test_the_key_is_asked_once_for_each_body_and_domain() -> None:
    key = KnownKey()
    pairwise = Pairwise(key)

    pairwise.prepare([PENSION, CONSTRUCTION, PENSION])
    for number in range(10):
        pairwise.of(PENSION, code(number))

    assert key.asked == 2


def test_codes_cannot_be_guessed_without_the_key() -> None:
    identifier = Pairwise(KnownKey()).of(PENSION, code())

    hashed = hashlib.sha256(b"juki-ppid/v1\0relying/local-pension\0general\0" + code().encode()).digest()
    assert base64.b32encode(hashed[:20]).decode() != identifier


def test_nobody_identified_is_no_identifier() -> None:
    answer = answer_pb(release(match_code(None, None), frozenset(Item)), "", 0)

    assert (answer.pairwise_id, answer.pairwise_key_version) == ("", 0)


def test_a_key_of_a_file_is_another_in_each_version(tmp_path: Path) -> None:
    (tmp_path / "salt.key").write_text("5a" * 32, "ascii")

    assert FileKey(tmp_path, 1).mac(b"") != FileKey(tmp_path, 2).mac(b"")


def test_a_key_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyUnreadable):
        FileKey(tmp_path, 1)
