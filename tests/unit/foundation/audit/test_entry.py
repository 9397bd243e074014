"""Entries: their canonical form, their limits, and what they do not say."""

from __future__ import annotations

import base64
import hmac
import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from services.foundation.audit.entry import ENTRY_LIMIT, AuditEntry, canonical, new_salt, opens
from services.foundation.refusals import Refusal

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
optional = st.none() | words
zones = st.integers(-12, 14).map(lambda hours: timezone(timedelta(hours=hours)))
entries = st.builds(
    AuditEntry,
    node=words,
    time=st.datetimes(timezones=zones).filter(lambda time: 1 < time.year < 9999),
    request_id=words,
    caller=words,
    method=words,
    action=st.from_regex(r"[A-Z][A-Z0-9_]{0,63}", fullmatch=True),
    result=st.just("ALLOW") | st.from_regex(r"REFUSED:[A-Z][A-Z0-9_]{0,63}", fullmatch=True),
    operator=optional,
    affair=optional,
    case=optional,
    fields=st.lists(words, max_size=5).map(tuple),
    count=st.integers(0, 2**53 - 1),
    tls_version=optional,
    tls_group=optional,
    assertion=optional,
    subject=optional,
    request=st.none() | st.binary(),
    response=st.none() | st.binary(),
    salt=st.binary(min_size=32, max_size=32),
)


def make(**changes: object) -> AuditEntry:
    given = {
        "node": "agency/national",
        "time": datetime(2026, 4, 1, 18, 0, tzinfo=timezone(timedelta(hours=9))),
        "request_id": "7f1f0a3e-5b8e-4a53-9d6a-0d6a52d6c1d1",
        "caller": "spiffe://national.juki.example/relying/pension",
        "method": "/juki.agency.v1.ConfirmationService/ConfirmResident",
        "action": "CONFIRM_RESIDENT",
    }
    return AuditEntry(**{**given, **changes})  # type: ignore[arg-type]


def reason_of(**changes: object) -> str:
    with pytest.raises(Refusal) as refused:
        make(**changes)
    return refused.value.reason


@given(entries, st.integers(0, 2**53 - 1))
def test_the_canonical_form_is_that_of_rfc_8785(entry: AuditEntry, seq: int) -> None:
    data = canonical(entry, seq)

    assert data == rfc8785.dumps(json.loads(data))
    assert json.loads(data)["seq"] == seq
    assert len(data) <= ENTRY_LIMIT


@given(entries)
def test_every_value_is_found_again_under_its_key(entry: AuditEntry) -> None:
    found = json.loads(canonical(entry, 0))

    plain = {
        "act": entry.action,
        "agency": entry.caller,
        "asrt": entry.assertion,
        "case": entry.case,
        "fields": list(entry.fields) or None,
        "method": entry.method,
        "n": entry.count,
        "node": entry.node,
        "op": entry.operator,
        "res": entry.result,
        "rid": entry.request_id,
        "seq": 0,
        "task": entry.affair,
        "v": 1,
    }
    for key, value in plain.items():
        assert found.pop(key, None) == value
    assert datetime.fromisoformat(found.pop("t")) == entry.time
    tls = found.pop("tls", None)
    assert tls == (
        None if None in (entry.tls_version, entry.tls_group) else {"g": entry.tls_group, "v": entry.tls_version}
    )
    committed = {"req": entry.request, "resp": entry.response, "subj": entry.subject and entry.subject.encode()}
    for key, data in committed.items():
        value = found.pop(key, None)
        assert (value is None) == (data is None and not (key == "subj" and entry.subject == ""))
        if data:
            assert base64.b64decode(value) == hmac.digest(entry.salt, data, "sha256")
    assert found == {}


def test_the_time_is_written_in_utc_to_the_microsecond() -> None:
    assert json.loads(canonical(make(), 0))["t"] == "2026-04-01T09:00:00.000000Z"


def test_an_entry_opens_for_its_subject_and_salt_alone() -> None:
    entry = make(subject="10000000001")
    data = canonical(entry, 3)

    assert opens(data, entry.salt, "10000000001")
    assert not opens(data, entry.salt, "10000000002")
    assert not opens(data, new_salt(), "10000000001")


def test_an_entry_about_nobody_opens_for_nobody() -> None:
    entry = make()

    assert not opens(canonical(entry, 3), entry.salt, "")


def test_what_is_committed_to_shows_neither_in_the_entry_nor_in_its_repr() -> None:
    entry = make(subject="10000000001", request=b"canary request", response=b"canary answer")

    for shown in (canonical(entry, 0).decode(), repr(entry)):
        assert "10000000001" not in shown
        assert "canary" not in shown
    assert entry.salt.hex() not in repr(entry)
    assert repr(entry.salt) not in repr(entry)


def test_two_entries_about_one_subject_do_not_show_it() -> None:
    first, second = (json.loads(canonical(make(subject="10000000001"), 0)) for _ in range(2))

    assert first["subj"] != second["subj"]


@pytest.mark.parametrize(
    "change",
    [
        {"action": "confirm"},
        {"action": ""},
        {"result": "DENY"},
        {"result": "REFUSED:"},
        {"result": "REFUSED:not a reason"},
        {"time": datetime(2026, 4, 1)},  # noqa: DTZ001 - the naive time is the point
        {"count": -1},
        {"count": 2**53},
        {"salt": b"short"},
        {"case": "\udc80"},
        {"subject": "\udc80"},
    ],
)
def test_a_malformed_entry_is_refused(change: dict[str, object]) -> None:
    assert reason_of(**change) == "AUDIT_ENTRY_MALFORMED"


def test_an_entry_may_have_as_many_bytes_as_the_limit_and_no_more() -> None:
    room = ENTRY_LIMIT - len(canonical(make(case=""), 10**15))

    assert len(canonical(make(case="x" * room), 10**15)) == ENTRY_LIMIT
    assert reason_of(case="x" * (room + 1)) == "AUDIT_ENTRY_TOO_LARGE"


def test_utc_is_utc() -> None:
    assert json.loads(canonical(make(time=datetime(2026, 1, 1, tzinfo=UTC)), 0))["t"] == "2026-01-01T00:00:00.000000Z"
