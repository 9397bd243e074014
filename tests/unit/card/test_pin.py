"""PINs: no try is free, whatever happens to the power."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.card.softcard import jpki, jukinet, municipal, operator
from services.card.softcard.lifecycle import State
from tests.cards import (
    AUTHENTICATION_PIN,
    JUKI_PIN,
    LIBRARY,
    SERVICE_PIN,
    SIGN_PIN,
    Bench,
    Terminal,
    fresh_resident,
)
from tests.doubles.card_storage import MemoryStorage, PowerLost


def _jpki(bench: Bench) -> Terminal:
    return Terminal(bench.card).select(jpki.AID)


def _left(bench: Bench, ef: int = jpki.AUTHENTICATION_PIN) -> int:
    return _jpki(bench).select_ef(ef).send(0x00, 0x20, 0x00, 0x80).sw & 0x0F


def _storage(bench: Bench) -> MemoryStorage:
    assert isinstance(bench.storage, MemoryStorage)
    return bench.storage


@pytest.mark.parametrize(
    ("ef", "wrong", "right", "tries"),
    [(jpki.AUTHENTICATION_PIN, b"9999", AUTHENTICATION_PIN, 3), (jpki.SIGN_PIN, b"WRONG1", SIGN_PIN, 5)],
)
def test_wrong_pins_count_down_block_and_stay_blocked(
    resident: Bench, ef: int, wrong: bytes, right: bytes, tries: int
) -> None:
    terminal = _jpki(resident)

    assert [terminal.verify(ef, wrong) for _ in range(tries)] == [0x63C0 + left for left in reversed(range(tries))]
    assert terminal.verify(ef, right) == 0x6983
    assert terminal.send(0x00, 0x20, 0x00, 0x80).sw == 0x63C0
    resident.insert()
    assert _jpki(resident).verify(ef, right) == 0x6983


def test_one_pin_blocked_leaves_the_other(resident: Bench) -> None:
    terminal = _jpki(resident)
    for _ in range(3):
        terminal.verify(jpki.AUTHENTICATION_PIN, b"9999")

    assert terminal.verify(jpki.SIGN_PIN, SIGN_PIN) == 0x9000


def test_a_right_pin_gives_the_tries_back(resident: Bench) -> None:
    terminal = _jpki(resident)
    terminal.verify(jpki.AUTHENTICATION_PIN, b"9999")

    assert terminal.verify(jpki.AUTHENTICATION_PIN, AUTHENTICATION_PIN) == 0x9000
    assert terminal.send(0x00, 0x20, 0x00, 0x80).sw == 0x63C3, "the tries are told also when the PIN has been given"


def test_a_wrong_pin_takes_the_proof_back(resident: Bench) -> None:
    terminal = _jpki(resident)
    terminal.verify(jpki.SIGN_PIN, SIGN_PIN)
    assert terminal.read(jpki.SIGN_CERTIFICATE).sw == 0x9000

    terminal.verify(jpki.SIGN_PIN, b"WRONG1")

    assert terminal.read(jpki.SIGN_CERTIFICATE).sw == 0x6982


def test_a_pin_of_a_length_that_none_has_costs_nothing(resident: Bench) -> None:
    terminal = _jpki(resident)

    assert terminal.verify(jpki.AUTHENTICATION_PIN, b"123") == 0x6700
    assert terminal.verify(jpki.AUTHENTICATION_PIN, b"12345") == 0x6700
    assert _left(resident) == 3


def test_a_pin_needs_its_file_selected(resident: Bench) -> None:
    terminal = _jpki(resident)

    assert terminal.send(0x00, 0x20, 0x00, 0x80).sw == 0x6986
    terminal.select_ef(jpki.AUTHENTICATION_KEY)
    assert terminal.send(0x00, 0x20, 0x00, 0x80, b"1234").sw == 0x6986


@pytest.mark.parametrize("right", [True, False])
@pytest.mark.parametrize("applied", [True, False])
@pytest.mark.parametrize("write", [0, 1])
def test_power_lost_at_any_write_of_verify_never_gives_a_try(
    resident: Bench, write: int, applied: bool, right: bool
) -> None:
    """The first write counts the try; the second, of a right PIN only, gives it back."""
    pin = AUTHENTICATION_PIN if right else b"9999"
    terminal = _jpki(resident).select_ef(jpki.AUTHENTICATION_PIN)
    _storage(resident).cut(at=write, applied=applied)

    if right or write == 0:
        with pytest.raises(PowerLost):
            terminal.send(0x00, 0x20, 0x00, 0x80, pin)
    else:
        assert terminal.send(0x00, 0x20, 0x00, 0x80, pin).sw == 0x63C2
    _storage(resident).mend()
    resident.insert()

    if write == 0:
        assert _left(resident) == (2 if applied else 3)
    elif right:
        assert _left(resident) == (3 if applied else 2)
    else:
        assert _left(resident) == 2


def test_whoever_pulls_the_card_at_the_answer_still_has_three_tries_only(resident: Bench) -> None:
    """An attacker who sees a wrong PIN's answer coming and pulls the card before it is recorded gains nothing."""
    for _ in range(3):
        terminal = _jpki(resident).select_ef(jpki.AUTHENTICATION_PIN)
        _storage(resident).cut(at=0, applied=True)
        with pytest.raises(PowerLost):
            terminal.send(0x00, 0x20, 0x00, 0x80, b"9999")
        _storage(resident).mend()
        resident.insert()

    assert _jpki(resident).verify(jpki.AUTHENTICATION_PIN, AUTHENTICATION_PIN) == 0x6983


def test_the_try_is_counted_before_the_comparison_not_after(resident: Bench) -> None:
    terminal = _jpki(resident).select_ef(jpki.AUTHENTICATION_PIN)
    before = _storage(resident).saves

    terminal.send(0x00, 0x20, 0x00, 0x80, b"9999")
    wrong = _storage(resident).saves - before
    terminal.send(0x00, 0x20, 0x00, 0x80, AUTHENTICATION_PIN)
    right = _storage(resident).saves - before - wrong

    assert (wrong, right) == (1, 2)


def test_the_holder_changes_the_pin_after_giving_it(resident: Bench) -> None:
    terminal = _jpki(resident).select_ef(jpki.AUTHENTICATION_PIN)
    assert terminal.send(0x00, 0x24, 0x01, 0x80, b"5678").sw == 0x6982
    terminal.ok(0x00, 0x20, 0x00, 0x80, AUTHENTICATION_PIN)
    assert terminal.send(0x00, 0x24, 0x01, 0x80, b"567").sw == 0x6A80
    assert terminal.send(0x00, 0x24, 0x01, 0x80, b"567x").sw == 0x6A80

    terminal.ok(0x00, 0x24, 0x01, 0x80, b"5678")

    assert terminal.verify(jpki.AUTHENTICATION_PIN, AUTHENTICATION_PIN) == 0x63C2
    assert terminal.verify(jpki.AUTHENTICATION_PIN, b"5678") == 0x9000


def test_a_pin_changed_on_another_channel_is_no_longer_proved(resident: Bench) -> None:
    one, two = _jpki(resident), Terminal(resident.card, 1)
    one.ok(0x00, 0x70)
    one.verify(jpki.AUTHENTICATION_PIN, AUTHENTICATION_PIN)
    two.select(jpki.AID).verify(jpki.AUTHENTICATION_PIN, AUTHENTICATION_PIN)

    two.ok(0x00, 0x24, 0x01, 0x80, b"5678")

    assert one.select_ef(jpki.AUTHENTICATION_KEY).send(0x80, 0x2A, 0x00, 0x80, b"x", 256).sw == 0x6982


def test_a_pin_blocked_on_another_channel_is_no_longer_proved(resident: Bench) -> None:
    one, two = _jpki(resident), Terminal(resident.card, 1)
    one.ok(0x00, 0x70)
    one.verify(jpki.AUTHENTICATION_PIN, AUTHENTICATION_PIN)
    two.select(jpki.AID)
    for _ in range(3):
        two.verify(jpki.AUTHENTICATION_PIN, b"9999")

    assert one.select_ef(jpki.AUTHENTICATION_KEY).send(0x80, 0x2A, 0x00, 0x80, b"x", 256).sw == 0x6982


def test_the_issuer_unblocks_and_the_card_remembers_how_often(resident: Bench) -> None:
    for _ in range(2):
        terminal = _jpki(resident)
        for _ in range(3):
            terminal.verify(jpki.AUTHENTICATION_PIN, b"9999")
        session = resident.issuer(jpki.AID)
        resident.set_pin(session, jpki.AUTHENTICATION_PIN, b"2468")

    history = resident.issuer(jpki.AID).ok(0x80, 0xCA, 0x9F, 0x17)

    assert history.hex() == "001803030002" + "0002" + "001b050500000000"
    assert _jpki(resident).verify(jpki.AUTHENTICATION_PIN, b"2468") == 0x9000


def test_nobody_but_the_issuer_unblocks(resident: Bench) -> None:
    terminal = _jpki(resident).select_ef(jpki.AUTHENTICATION_PIN)
    assert terminal.send(0x00, 0x2C, 0x02, 0x80, b"0000").sw == 0x6982
    assert terminal.send(0x80, 0xCA, 0x9F, 0x17).sw == 0x6982
    session = resident.juki()
    session.select_ef(jukinet.PIN)

    assert session.send(0x00, 0x2C, 0x02, 0x80, b"0000").sw == 0x6982


def test_the_juki_net_pin_counts_inside_the_terminals_session(resident: Bench) -> None:
    session = resident.juki()

    assert [session.verify(jukinet.PIN, pin) for pin in (b"0000", b"0000", JUKI_PIN)] == [0x63C2, 0x63C1, 0x9000]
    assert [session.verify(jukinet.PIN, b"0000") for _ in range(4)] == [0x63C2, 0x63C1, 0x63C0, 0x6983]


def test_the_services_pin_is_the_services_to_set(resident: Bench) -> None:
    terminal = Terminal(resident.card).select(LIBRARY)
    assert [terminal.verify(municipal.PIN, b"wrong") for _ in range(3)] == [0x63C2, 0x63C1, 0x63C0]
    assert terminal.verify(municipal.PIN, SERVICE_PIN) == 0x6983

    resident.set_pin(resident.service(LIBRARY), municipal.PIN, b"k-10")

    assert Terminal(resident.card).select(LIBRARY).verify(municipal.PIN, b"k-10") == 0x9000


def test_a_pin_that_was_never_set_is_not_zero() -> None:
    fresh = Bench()
    fresh.prepare()
    fresh.install(operator.AID)
    fresh.set_state(State.PERSONALISED)
    session = fresh.issuer(operator.AID).select_ef(operator.PIN)

    assert session.send(0x00, 0x20, 0x00, 0x80).sw == 0x6984
    assert session.send(0x00, 0x20, 0x00, 0x80, b"000000").sw == 0x6984


def test_the_pin_itself_is_nowhere_on_the_card(resident: Bench) -> None:
    content = _storage(resident).content

    assert SIGN_PIN not in content
    assert SERVICE_PIN not in content


@given(st.lists(st.sampled_from(["right", "wrong", "short", "reset", "insert"]), max_size=14))
def test_the_counter_follows_its_model(steps: list[str]) -> None:
    bench = fresh_resident()
    left = 3
    for step in steps:
        terminal = _jpki(bench)
        match step:
            case "right":
                assert terminal.verify(jpki.AUTHENTICATION_PIN, AUTHENTICATION_PIN) == (0x9000 if left else 0x6983)
                left = 3 if left else 0
            case "wrong":
                sw = terminal.verify(jpki.AUTHENTICATION_PIN, b"9999")
                assert sw == (0x63C0 + left - 1 if left else 0x6983)
                left = max(left - 1, 0)
            case "short":
                assert terminal.verify(jpki.AUTHENTICATION_PIN, b"1") == 0x6700
            case "reset":
                bench.set_pin(bench.issuer(jpki.AID), jpki.AUTHENTICATION_PIN, AUTHENTICATION_PIN)
                left = 3
            case _:
                bench.insert()
        assert _left(bench) == left
