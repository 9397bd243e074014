"""Keys of cards come out of the token as the standard says, and the master keys never."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import algorithms
from cryptography.hazmat.primitives.kdf.kbkdf import KBKDFCMAC, CounterLocation, Mode
from hypothesis import given
from hypothesis import strategies as st

from services.card.issuer import Purpose, Token, TokenIssuer, TokenSettings, derivation_input
from services.card.issuer.setup import ensure_keys
from services.card.refusals import CardNotAuthentic, IssuerKeysAbsent
from services.card.terminal.card_certificate import CardAnchors
from services.foundation.clock import SystemClock
from services.foundation.refusals import Refusal
from tests.tokens import SoftToken, empty_token, make_token

pkcs11 = pytest.importorskip("pkcs11", reason="python-pkcs11 (extra `issuing`) is not installed")
_PURPOSES = st.sampled_from(Purpose)
_NUMBER = bytes.fromhex("13101600000000000001")


@pytest.fixture(scope="module")
def token() -> SoftToken:
    return make_token()


@pytest.fixture(scope="module")
def opened(token: SoftToken) -> Token:
    opened = Token(token.settings)
    ensure_keys(opened, "131016", SystemClock())
    return opened


@pytest.fixture
def issuer(opened: Token) -> TokenIssuer:
    return TokenIssuer(opened, SystemClock())


def test_a_key_is_that_of_sp_800_108_by_another_implementation(opened: Token) -> None:
    master, label = os.urandom(32), f"known-{os.urandom(4).hex()}"
    opened.use(lambda session: _put(session, label, master))
    data = derivation_input(Purpose.CARD, _NUMBER, 1)
    kdf = KBKDFCMAC(
        algorithms.AES,
        Mode.CounterMode,
        length=16,
        rlen=4,
        llen=4,
        location=CounterLocation.BeforeFixed,
        label=Purpose.CARD.value.encode(),
        context=_NUMBER + b"\x01",
        fixed=None,
    )

    assert opened.mac(label, data) == kdf.derive(master)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(Purpose), st.binary(min_size=10, max_size=10), st.integers(0, 65_535), st.integers(1, 3)
        ),
        min_size=2,
        max_size=20,
        unique=True,
    )
)
def test_no_two_keys_have_the_same_input(keys: list[tuple[Purpose, bytes, int, int]]) -> None:
    inputs = [
        derivation_input(purpose, number + (service.to_bytes(2, "big") if purpose is Purpose.SERVICE else b""), which)
        for purpose, number, service, which in keys
    ]
    distinct = {(p, n, s if p is Purpose.SERVICE else 0, w) for p, n, s, w in keys}

    assert len(set(inputs)) == len(distinct)


def test_each_card_and_each_purpose_has_keys_of_its_own(issuer: TokenIssuer) -> None:
    other = bytes.fromhex("13101600000000000002")
    sets = [
        issuer.card_keys(_NUMBER),
        issuer.card_keys(other),
        issuer.transport_keys(_NUMBER),
        issuer.service_keys(_NUMBER, 1),
        issuer.service_keys(_NUMBER, 2),
    ]

    keys = {key for each in sets for key in (each.enc, each.mac, each.dek)}
    assert len(keys) == 15
    again = issuer.card_keys(_NUMBER)
    assert (again.enc, again.mac, again.dek) == (sets[0].enc, sets[0].mac, sets[0].dek)


def test_the_master_keys_cannot_be_taken_out(opened: Token) -> None:
    def attempt(session: Any) -> list[str]:
        refused = []
        for purpose in Purpose:
            key = session.get_key(object_class=pkcs11.ObjectClass.SECRET_KEY, label=purpose.value)
            try:
                key[pkcs11.Attribute.VALUE]
            except pkcs11.exceptions.AttributeSensitive:
                refused.append(purpose.name)
        return refused

    assert opened.use(attempt) == [purpose.name for purpose in Purpose]


def test_setting_up_twice_changes_nothing(opened: Token, issuer: TokenIssuer) -> None:
    keys, certificate = issuer.card_keys(_NUMBER), issuer.certificate()

    assert ensure_keys(opened, "131016", SystemClock()) == certificate
    assert issuer.card_keys(_NUMBER).enc == keys.enc


def test_a_terminal_believes_the_certificate_of_the_card_that_it_names(issuer: TokenIssuer) -> None:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    der = issuer.certify(_NUMBER, key)
    anchors = CardAnchors((issuer.certificate(),), SystemClock())

    assert anchors.verify(der, _NUMBER) == key
    with pytest.raises(CardNotAuthentic):
        anchors.verify(der, bytes.fromhex("13101600000000000009"))
    certificate = x509.load_der_x509_certificate(der)
    assert certificate.not_valid_after_utc.year - datetime.now(UTC).year in (9, 10)


# The binding complains of a dead session while it cleans up after an operation in it; the operation had ended.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_session_that_died_is_opened_again(opened: Token, issuer: TokenIssuer) -> None:
    keys = issuer.card_keys(_NUMBER)
    opened.use(lambda session: session.close())

    assert issuer.card_keys(_NUMBER).enc == keys.enc


@pytest.mark.parametrize("lacking", ["module", "label", "pin", "no such file"])
def test_what_is_lacking_is_said(token: SoftToken, tmp_path: Path, lacking: str) -> None:
    wrong = tmp_path / "wrong.pin"
    wrong.write_text("00000000", "ascii")
    good = token.settings
    settings = {
        "module": TokenSettings("", good.label, good.pin_file),
        "label": TokenSettings(good.module, "nobody's", good.pin_file),
        "pin": TokenSettings(good.module, good.label, tmp_path / "absent"),
        "no such file": TokenSettings("/no/such/module.so", good.label, wrong),
    }[lacking]

    with pytest.raises(Refusal) as refused:
        TokenIssuer(Token(settings), SystemClock()).card_keys(_NUMBER)

    assert refused.value.reason == ("ISSUER_TOKEN_FAILED" if lacking == "no such file" else "ISSUER_KEYS_ABSENT")
    assert "00000000" not in str(refused.value)


def test_a_token_without_the_keys_says_how_to_make_them() -> None:
    with pytest.raises(IssuerKeysAbsent):
        TokenIssuer(Token(empty_token().settings), SystemClock()).card_keys(_NUMBER)


def _put(session: Any, label: str, value: bytes) -> None:
    session.create_object(
        {
            pkcs11.Attribute.CLASS: pkcs11.ObjectClass.SECRET_KEY,
            pkcs11.Attribute.KEY_TYPE: pkcs11.KeyType.AES,
            pkcs11.Attribute.LABEL: label,
            pkcs11.Attribute.VALUE: value,
            pkcs11.Attribute.SIGN: True,
        }
    )
