"""Orders that take four eyes: what is signed, by whom, and every way in which an order does not hold."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.foundation.audit.note import NoteSigner
from services.foundation.orders import Order, OrderRefused, load_administrators, open_order, parse_order, sign_order
from services.foundation.refusals import Refusal
from tests.purposes import ADMINISTRATORS, AUDIT, REGISTER, SECOND_AUDIT, STRANGER, write_administrators

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def make_order(**changes: object) -> Order:
    order = Order(
        action="ADOPT_PURPOSES",
        target=f"sha256:{'0' * 64}",
        number=7,
        effective_from=date(2026, 12, 1),
        not_before=NOW,
        expires_at=NOW + timedelta(days=1),
        nonce="6f1f2f9e-3d0f-4a38-9f0c-0f6c0a3f5b11",
        reason="the Act was amended",
    )
    return dataclasses.replace(order, **changes)  # type: ignore[arg-type] # each test knows its field


def opened(note: str) -> Order:
    return open_order(note, ADMINISTRATORS, "ADOPT_PURPOSES")


@given(
    number=st.integers(1, 10**9 - 1),
    effective_from=st.dates(),
    reason=st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=60),
    nonce=st.uuids(version=4),
    seconds=st.integers(1, 10**7),
)
def test_an_order_is_read_as_it_was_written(
    number: int, effective_from: date, reason: str, nonce: uuid.UUID, seconds: int
) -> None:
    order = make_order(
        number=number,
        effective_from=effective_from,
        reason=reason,
        nonce=str(nonce),
        expires_at=NOW + timedelta(seconds=seconds),
    )

    assert parse_order(order.text()) == order


def test_two_administrators_of_different_roles_make_an_order_hold() -> None:
    assert opened(sign_order(make_order(), [REGISTER, AUDIT])) == make_order()
    assert opened(sign_order(make_order(), [REGISTER, AUDIT, STRANGER])) == make_order()


@pytest.mark.parametrize(
    ("signers", "form"),
    [
        ([REGISTER], "SINGLE_SIGNED"),
        ([REGISTER, REGISTER], "SINGLE_SIGNED"),
        ([REGISTER, STRANGER], "SINGLE_SIGNED"),
        ([AUDIT, SECOND_AUDIT], "SAME_ROLE"),
        ([STRANGER], "UNSIGNED"),
    ],
)
def test_too_few_signatures_are_refused(signers: Sequence[NoteSigner], form: str) -> None:
    with pytest.raises(OrderRefused) as refused:
        opened(sign_order(make_order(), signers))

    assert refused.value.facts["form"] == form


@pytest.mark.parametrize("old", ["number: 7", "2026-12-01", "0000", "amended"])
def test_an_order_altered_under_its_signatures_is_refused(old: str) -> None:
    note = sign_order(make_order(), [REGISTER, AUDIT])

    with pytest.raises(OrderRefused) as refused:
        opened(note.replace(old, old[:-1] + "8", 1))

    assert refused.value.facts["form"] == "FORGED"


def test_an_order_for_another_action_is_refused() -> None:
    with pytest.raises(OrderRefused) as refused:
        opened(sign_order(make_order(action="SUSPEND_NODE"), [REGISTER, AUDIT]))

    assert refused.value.facts["form"] == "OTHER_ACTION"


@pytest.mark.parametrize(
    ("at", "form"), [(NOW - timedelta(seconds=1), "NOT_YET"), (NOW + timedelta(days=1), "EXPIRED"), (NOW, "")]
)
def test_an_order_holds_from_its_first_instant_to_before_its_last(at: datetime, form: str) -> None:
    if not form:
        make_order().check_timely(at)
        return
    with pytest.raises(OrderRefused) as refused:
        make_order().check_timely(at)

    assert refused.value.facts["form"] == form


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("juki-order/v1", "juki-order/v2"),
        ("action: ", "act: "),
        ("ADOPT_PURPOSES", "adopt"),
        ("sha256:", "sha512:"),
        ("number: 7", "number: 07"),
        ("2026-12-01", "2026-12-32"),
        ("2026-12-01", "20261201"),
        ("T12:00:00Z", "T12:00:00+09:00"),
        ("6f1f2f9e", "6F1F2F9E"),
        ("nonce: 6f", "nonce: x"),
        ("the Act was amended", " "),
        ("reason: ", "more: x\nreason: "),
    ],
)
def test_a_text_of_another_form_is_refused(old: str, new: str) -> None:
    text = make_order().text()
    assert old in text

    with pytest.raises(OrderRefused) as refused:
        parse_order(text.replace(old, new, 1))

    assert refused.value.facts["form"] == "MALFORMED"


def test_the_administrators_are_read_with_their_roles(tmp_path: Path) -> None:
    assert load_administrators(write_administrators(tmp_path)) == ADMINISTRATORS


@pytest.mark.parametrize(
    "line", ["register", "register nonsense", f"Register {REGISTER.vkey}", f"audit {REGISTER.vkey}x", REGISTER.vkey]
)
def test_an_administrator_of_another_form_is_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / "administrators").write_text(f"# comment\n{line}\n", "utf-8")

    with pytest.raises(Refusal) as refused:
        load_administrators(tmp_path / "administrators")

    assert (refused.value.reason, refused.value.facts["line"]) == ("ADMINISTRATORS_MALFORMED", "2")


def test_one_key_in_two_roles_is_refused(tmp_path: Path) -> None:
    (tmp_path / "administrators").write_text(f"audit {AUDIT.vkey}\nregister {AUDIT.vkey}\n", "utf-8")

    with pytest.raises(Refusal) as refused:
        load_administrators(tmp_path / "administrators")

    assert refused.value.reason == "ADMINISTRATORS_MALFORMED"
