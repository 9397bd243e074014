"""Whatever a strange card answers, the terminal refuses by name and never falls over."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.card.apdu import Command, Response
from services.card.terminal.applications import JUKI_NET_PIN, JpkiKey
from services.card.terminal.scp03 import KeyAccess
from services.card.terminal.secret import Pin
from services.card.terminal.session import CardSession
from services.foundation.refusals import Refusal
from tests.issued_cards import CardIssuer, draw_keys

_TERMINAL = CardIssuer().terminal()
_KEYS = KeyAccess(draw_keys())

_STATUS = st.one_of(st.sampled_from((0x9000, 0x9000, 0x6282, 0x63C2, 0x6A82, 0x6100, 0x6110)), st.integers(0, 0xFFFF))
_DATA = st.one_of(
    st.binary(max_size=80),
    st.sampled_from(
        (
            bytes.fromhex("450A13101600000000000042"),
            bytes.fromhex("9F70010F"),
            bytes.fromhex("C0041003B041C0041103B120"),
            bytes.fromhex("7F49028100"),
            bytes.fromhex("7F4906810100820100"),
            bytes.fromhex("3003020100"),
        )
    ),
)


class StrangeCard:
    """Answers from a list, over and over."""

    def __init__(self, answers: list[tuple[bytes, int]]) -> None:
        self._answers = answers
        self._at = 0

    def transmit(self, _: Command) -> Response:
        data, sw = self._answers[self._at % len(self._answers)]
        self._at += 1
        return Response(data, sw)


WORK: dict[str, Callable[[CardSession], object]] = {
    "certificates": lambda session: session.juki_net(_TERMINAL),
    "keys": lambda session: session.security_domain(_KEYS),
    "number": lambda session: session.security_domain().number(),
    "life": lambda session: session.security_domain().life_cycle(),
    "listing": lambda session: session.security_domain().applications(),
    "generating": lambda session: session.security_domain().generate_static(0, 1),
    "tries": lambda session: session.juki_net(None).tries_left(JUKI_NET_PIN),
    "pin": lambda session: session.jpki().verify(JpkiKey.AUTHENTICATION.pin, Pin("1234")),
    "public key": lambda session: session.jpki().public_key(JpkiKey.SIGNATURE),
    "operator": lambda session: session.operator().public_key(),
    "certificate": lambda session: session.jpki().certificate(JpkiKey.AUTHENTICATION),
    "identity": lambda session: session.juki_net(None).identity(),
    "history": lambda session: session.juki_net(None).pin_history(),
}


@pytest.mark.parametrize("name", list(WORK))
@given(answers=st.lists(st.tuples(_DATA, _STATUS), min_size=1, max_size=6))
def test_a_strange_card_is_refused_or_read_and_nothing_else(name: str, answers: list[tuple[bytes, int]]) -> None:
    session = CardSession(StrangeCard([(b"", 0x9000), *answers]))
    try:
        WORK[name](session)
    except Refusal:
        return
