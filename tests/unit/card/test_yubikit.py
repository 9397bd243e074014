"""Another's client in this process: yubikit's SCP03 and SCP11a, with extended commands and with short ones chained."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from services.card.softcard import jpki, jukinet
from services.card.softcard.card import SoftCard
from tests.cards import AUTHENTICATION_PIN, JUKI_PIN, PHOTOGRAPH, RESIDENT_CODE, Bench, key_set
from tests.terminals import Federation

core = pytest.importorskip("yubikit.core", reason="yubikey-manager comes with the extra pcsc")
smartcard = pytest.importorskip("yubikit.core.smartcard")
scp = pytest.importorskip("yubikit.core.smartcard.scp")
securitydomain = pytest.importorskip("yubikit.securitydomain")

_ISSUER, _STATIC, _ANCHOR = scp.KeyRef(0x01, 0x01), scp.KeyRef(0x11, 0x03), scp.KeyRef(0x10, 0x03)


def _connect(card: SoftCard, transport: str, flip: int | None = None) -> Any:
    """Connects yubikit to the card; `flip` names a command, counted from 0, of which it changes the last octet."""

    class Connection(smartcard.SmartCardConnection):  # type: ignore[misc, name-defined]
        sent = -1

        @property
        def transport(self) -> Any:
            return core.TRANSPORT(transport)

        def send_and_receive(self, apdu: bytes) -> tuple[bytes, int]:
            self.sent += 1
            raw = bytearray(apdu)
            if self.sent == flip:
                raw[-1] ^= 1
            answer = card.transmit(bytes(raw))
            return answer[:-2], int.from_bytes(answer[-2:], "big")

        def close(self) -> None:
            card.power_off()

    return Connection()


def _protocol(card: SoftCard, aid: bytes, transport: str, flip: int | None = None) -> Any:
    protocol = smartcard.SmartCardProtocol(_connect(card, transport, flip))
    protocol.configure(core.Version(5, 7, 0))
    protocol.select(aid)
    return protocol


def _terminal(bench: Bench, federation: Federation) -> Any:
    holder = federation.terminal()
    chain = [federation.issuing.certificate, holder.certificate]
    return scp.Scp11KeyParams(_STATIC, bench.static, _ANCHOR, holder.key, chain)


def _issuer(keys: Any) -> Any:
    return scp.Scp03KeyParams(_ISSUER, scp.StaticKeys(keys.enc, keys.mac, keys.dek))


@pytest.fixture(params=["usb", "nfc"])
def transport(request: pytest.FixtureRequest) -> str:
    """Extended commands over USB, chains of short ones over NFC."""
    return str(request.param)


def test_yubikit_manages_the_security_domain(resident: Bench, transport: str) -> None:
    session = securitydomain.SecurityDomainSession(_connect(resident.card, transport))
    assert set(session.get_key_information()) == {scp.KeyRef(kid, 1) for kid in (1, 2, 3)} | {_STATIC, _ANCHOR}
    assert session.get_card_recognition_data()
    (certificate,) = session.get_certificate_bundle(_STATIC)
    assert certificate.public_key() == resident.static

    session.authenticate(_issuer(resident.keys))
    session.put_key(scp.KeyRef(0x11, 5), ec.generate_private_key(ec.SECP256R1()))
    session.put_key(scp.KeyRef(0x10, 5), ec.generate_private_key(ec.SECP256R1()).public_key())
    made = session.generate_ec_key(scp.KeyRef(0x11, 6))
    session.store_certificate_bundle(scp.KeyRef(0x11, 6), [certificate])
    assert session.get_certificate_bundle(scp.KeyRef(0x11, 6)) == [certificate]
    session.delete_key(0x11, 5)

    assert made.curve.name == "secp256r1"
    listed = session.get_key_information()
    assert scp.KeyRef(0x10, 5) in listed
    assert scp.KeyRef(0x11, 5) not in listed


def test_yubikit_replaces_the_issuers_keys(resident: Bench, transport: str) -> None:
    session = securitydomain.SecurityDomainSession(_connect(resident.card, transport))
    session.authenticate(_issuer(resident.keys))
    fresh = key_set()

    session.put_key(scp.KeyRef(0x01, 2), scp.StaticKeys(fresh.enc, fresh.mac, fresh.dek), replace_kvn=1)

    again = securitydomain.SecurityDomainSession(_connect(resident.card, transport))
    again.authenticate(scp.Scp03KeyParams(scp.KeyRef(0x01, 2), scp.StaticKeys(fresh.enc, fresh.mac, fresh.dek)))
    assert scp.KeyRef(0x01, 1) not in again.get_key_information()


def test_yubikit_reads_juki_net_as_a_certified_terminal(resident: Bench, transport: str) -> None:
    protocol = _protocol(resident.card, jukinet.AID, transport)
    protocol.init_scp(_terminal(resident, resident.federation))

    protocol.send_apdu(0x00, 0xA4, 0x02, 0x0C, b"\0\x18")
    protocol.send_apdu(0x00, 0x20, 0x00, 0x80, JUKI_PIN)
    contents = []
    for ef in (jukinet.RESIDENT_CODE, jukinet.PHOTOGRAPH):
        protocol.send_apdu(0x00, 0xA4, 0x02, 0x0C, ef.to_bytes(2, "big"))
        contents.append(protocol.send_apdu(0x00, 0xB0, 0x00, 0x00))

    assert contents == [RESIDENT_CODE, PHOTOGRAPH]


def test_yubikit_signs_inside_the_issuers_session(resident: Bench, transport: str) -> None:
    protocol = _protocol(resident.card, jpki.AID, transport)
    protocol.init_scp(_issuer(resident.keys))
    protocol.send_apdu(0x00, 0xA4, 0x02, 0x0C, b"\0\x18")
    protocol.send_apdu(0x00, 0x20, 0x00, 0x80, AUTHENTICATION_PIN)
    protocol.send_apdu(0x00, 0xA4, 0x02, 0x0C, b"\0\x17")

    assert len(protocol.send_apdu(0x80, 0x2A, 0x00, 0x80, b"data")) == 256


def test_yubikit_refuses_a_card_that_does_not_have_its_keys(resident: Bench, transport: str) -> None:
    with pytest.raises(ValueError, match="Incorrect SCP parameters"):
        _protocol(resident.card, jukinet.AID, transport).init_scp(_issuer(key_set()))


def test_the_card_refuses_a_foreign_federations_terminal(resident: Bench, transport: str) -> None:
    with pytest.raises(smartcard.ApduError) as refusal:
        _protocol(resident.card, jukinet.AID, transport).init_scp(_terminal(resident, Federation()))
    assert refusal.value.sw == 0x6982


def test_the_card_notices_a_bit_that_was_changed_on_the_way(resident: Bench, transport: str) -> None:
    """Commands 0 to 2 are SELECT and the mutual authentication."""
    protocol = _protocol(resident.card, jpki.AID, transport, flip=3)
    protocol.init_scp(_issuer(resident.keys))

    with pytest.raises(smartcard.ApduError) as refusal:
        protocol.send_apdu(0x00, 0xA4, 0x02, 0x0C, b"\0\x18")
    assert refusal.value.sw == 0x6988
    with pytest.raises(smartcard.ApduError) as refusal:
        protocol.send_apdu(0x00, 0xA4, 0x02, 0x0C, b"\0\x18")
    assert refusal.value.sw == 0x6982
