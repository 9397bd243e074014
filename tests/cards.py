"""Software cards for tests: a terminal that speaks to one, and cards personalised for synthetic residents."""

from __future__ import annotations

import copy
import functools
import os
from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from services.card import tlv
from services.card.apdu import Command, Response
from services.card.securechannel import (
    HostEnd,
    StaticKeys,
    agree_scp11a,
    card_cryptogram,
    check_value,
    decode_point,
    derive_scp03,
    encode_point,
    encrypt_key,
    host_cryptogram,
    scp11a_request,
    verify_receipt,
)
from services.card.softcard import jpki, jukinet, municipal, operator
from services.card.softcard.card import SoftCard
from services.card.softcard.chip import Chip
from services.card.softcard.lifecycle import State
from services.card.softcard.memory import Storage
from services.card.softcard.production import Production, produce
from services.card.softcard.registry import DOMAIN
from tests.doubles.card_storage import MemoryStorage
from tests.terminals import NOW, Federation, Holder

NUMBER = bytes.fromhex("13101600000000000001")
RESIDENT_CODE = b"12345678903"
JUKI_PIN, AUTHENTICATION_PIN, SIGN_PIN, OPERATOR_PIN, SERVICE_PIN = b"4711", b"1234", b"ABC123", b"246810", b"k-9"
PHOTOGRAPH = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 20 + b"\xff\xd9"
ANCHOR_VERSION = STATIC_VERSION = 3


def aid_of(municipality: str, number: int) -> bytes:
    """Names the own service `number` of the municipality with this six-digit code."""
    return municipal.MODULE + bytes.fromhex(municipality) + number.to_bytes(2, "big")


LIBRARY, CLINIC = aid_of("131016", 1), aid_of("131016", 2)


def key_set() -> StaticKeys:
    """Draws an SCP03 key set."""
    return StaticKeys(os.urandom(16), os.urandom(16), os.urandom(16))


@functools.cache
def _pool() -> tuple[rsa.RSAPrivateKey, ...]:
    return tuple(rsa.generate_private_key(65537, 2048) for _ in range(3))


class QuickChip(Chip):
    """A chip that takes its RSA keys in turn from three made once, because making one takes longer than a test."""

    def __init__(self) -> None:
        self._made = 0

    def new_rsa(self) -> rsa.RSAPrivateKey:
        self._made += 1
        return _pool()[self._made % 3]


class Terminal:
    """What stands before the card: sends commands, and protects them once it is authenticated."""

    def __init__(self, card: SoftCard, channel: int = 0) -> None:
        self.card = card
        self.channel = channel
        self.end: HostEnd | None = None

    def transmit(self, command: Command) -> Response:
        """Sends a command as it is, on this terminal's logical channel, in extended length if need be."""
        raw = Command(command.cla | self.channel, command.ins, command.p1, command.p2, command.data, command.le)
        return Response.parse(self.card.transmit(raw.encode()))

    def send(self, cla: int, ins: int, p1: int = 0, p2: int = 0, data: bytes = b"", le: int | None = None) -> Response:
        """Sends a command, protected if a session is open."""
        command = Command(cla, ins, p1, p2, data, le)
        if self.end is None:
            return self.transmit(command)
        return self.end.unwrap(self.transmit(self.end.wrap(command)))

    def ok(self, cla: int, ins: int, p1: int = 0, p2: int = 0, data: bytes = b"", le: int | None = None) -> bytes:
        """Sends a command that must be answered 9000."""
        answer = self.send(cla, ins, p1, p2, data, le)
        assert answer.sw == 0x9000, f"{ins:02X} {p1:02X}{p2:02X}: {answer.sw:04X}"
        return answer.data

    def select(self, aid: bytes) -> Terminal:
        self.end = None
        self.ok(0x00, 0xA4, 0x04, 0x0C, aid)
        return self

    def select_ef(self, ef: int) -> Terminal:
        self.ok(0x00, 0xA4, 0x02, 0x0C, ef.to_bytes(2, "big"))
        return self

    def read(self, ef: int, le: int = 65_536) -> Response:
        self.select_ef(ef)
        return self.send(0x00, 0xB0, le=le)

    def verify(self, ef: int, pin: bytes) -> int:
        self.select_ef(ef)
        return self.send(0x00, 0x20, 0x00, 0x80, pin).sw

    def scp03(self, keys: StaticKeys, kvn: int = 0) -> Terminal:
        """Authenticates with static keys; the answers must be right."""
        challenge = os.urandom(8)
        self.end = None
        answer = self.ok(0x80, 0x50, kvn, 0x00, challenge)
        card_challenge = answer[13:21]
        session = derive_scp03(keys, challenge, card_challenge)
        assert answer[21:] == card_cryptogram(session, challenge, card_challenge)
        end = HostEnd(session)
        proof = Command(0x80, 0x82, 0x33, 0x00, host_cryptogram(session, challenge, card_challenge))
        response = self.transmit(end.authenticate(proof))
        assert response.sw == 0x9000, f"{response.sw:04X}"
        self.end = end
        return self

    def present(self, chain: Sequence[Holder]) -> int:
        """Sends a certificate chain, leaf last, and returns the last status word."""
        self.end = None
        sw = 0
        for holder in chain:
            p2 = 0x10 if holder is chain[-1] else 0x90
            sw = self.transmit(Command(0x80, 0x2A, ANCHOR_VERSION, p2, holder.der)).sw
            if sw != 0x9000:
                return sw
        return sw

    def scp11a(self, chain: Sequence[Holder]) -> Terminal:
        """Authenticates with a terminal certificate; the card's static key is taken from its certificate."""
        reference = tlv.encode(0xA6, tlv.encode(0x83, bytes((0x11, STATIC_VERSION))))
        static = x509.load_der_x509_certificate(self.ok(0x00, 0xCA, 0xBF, 0x21, reference, 65_536)).public_key()
        assert isinstance(static, ec.EllipticCurvePublicKey)
        return self.agree(chain, static)

    def agree(self, chain: Sequence[Holder], static: ec.EllipticCurvePublicKey) -> Terminal:
        """Does the same with a static key that is known already, whichever application is selected."""
        sw = self.present(chain)
        assert sw == 0x9000, f"{sw:04X}"
        own = ec.generate_private_key(ec.SECP256R1())
        request = scp11a_request(own.public_key())
        answer = self.ok(0x80, 0x82, STATIC_VERSION, 0x11, request)
        point, receipt = tlv.parse_exactly(answer, 0x5F49, 0x86)
        peer = decode_point(point)
        agreement = agree_scp11a(own, chain[-1].key, peer, static, request=request, card_ephemeral=peer)
        verify_receipt(agreement.receipt, receipt)
        self.end = HostEnd(agreement.keys, agreement.receipt)
        return self


def key_set_data(kvn: int, keys: StaticKeys, dek: bytes) -> bytes:
    """Builds the data of PUT KEY 81."""
    parts = (keys.enc, keys.mac, keys.dek)
    return bytes((kvn,)) + b"".join(
        tlv.encode(0x88, encrypt_key(dek, key)) + b"\x03" + check_value(key) for key in parts
    )


def install_data(aid: bytes, parameters: bytes = b"") -> bytes:
    """Builds the data of INSTALL."""
    module = municipal.MODULE if municipal.is_own_service(aid) else aid
    control = tlv.encode(0xC9, parameters)
    fields = (b"", module, aid, b"\0", control, b"")
    return b"".join(bytes((len(field),)) + field for field in fields)


def identity(*, photograph: bool = True) -> bytes:
    """Builds EF 0002 of a synthetic resident."""
    values = (NUMBER, b"131016", b"20260601", b"20360531", bytes((photograph,)))
    return b"".join(tlv.encode(0xDF01 + index, value) for index, value in enumerate(values))


class Bench:
    """A card on a test's bench, with everything that its issuer knows about it."""

    def __init__(self, chip: Chip | None = None, storage: Storage | None = None) -> None:
        self.storage = storage if storage is not None else MemoryStorage()
        self.keys = key_set()
        self.federation = Federation()
        self.services: dict[bytes, StaticKeys] = {}
        produce(self.storage, Production(NUMBER, self.keys, made_at=NOW))
        self.chip = chip or QuickChip()
        self.card = self.insert()
        self.terminal = Terminal(self.card)
        self.static: ec.EllipticCurvePublicKey | None = None

    def insert(self) -> SoftCard:
        """Powers a card up from the storage, as after it was pulled out."""
        card = SoftCard(self.storage, self.chip)
        card.power_on()
        self.card, self.terminal = card, Terminal(card)
        return card

    def twin(self) -> Bench:
        """Gives a card of its own with the same memory, keys and federation."""
        twin = copy.copy(self)
        twin.storage, twin.services = copy.copy(self.storage), dict(self.services)
        twin.chip = copy.copy(self.chip)
        twin.insert()
        return twin

    def issuer(self, aid: bytes = DOMAIN, channel: int = 0) -> Terminal:
        """Opens the issuer's session to an application."""
        return Terminal(self.card, channel).select(aid).scp03(self.keys)

    def juki(self, channel: int = 0, **changes: object) -> Terminal:
        """Opens a juki-net terminal's session to the juki-net application."""
        return self.mutual(jukinet.AID, channel, **changes)

    def mutual(self, aid: bytes, channel: int = 0, **changes: object) -> Terminal:
        assert self.static is not None
        chain = (self.federation.issuing, self.federation.terminal(**changes))
        return Terminal(self.card, channel).select(aid).agree(chain, self.static)

    def service(self, aid: bytes, channel: int = 0) -> Terminal:
        """Opens an own service's session to its application."""
        return Terminal(self.card, channel).select(aid).scp03(self.services[aid])

    def prepare(self) -> None:
        """Loads the trust anchor and the card's own key and certificate."""
        session = self.issuer()
        anchor = tlv.encode(0xB0, encode_point(self.federation.root.public_key())) + tlv.encode(0xF0, b"\0") + b"\0"
        session.ok(0x80, 0xD8, 0x00, 0x10, bytes((ANCHOR_VERSION,)) + anchor)
        made = session.ok(0x80, 0xF1, 0x00, 0x11, bytes((STATIC_VERSION,)) + tlv.encode(0xF0, b"\0"))
        self.static = decode_point(tlv.parse_exactly(made, 0xB0)[0])
        certificate = certify(self.static, self.federation.issuing.key)
        reference = tlv.encode(0xA6, tlv.encode(0x83, bytes((0x11, STATIC_VERSION))))
        session.ok(0x80, 0xE2, 0x90, 0x00, reference + tlv.encode(0xBF21, certificate))

    def install(self, aid: bytes, parameters: bytes = b"") -> int:
        return self.issuer().send(0x80, 0xE6, 0x0C, 0x00, install_data(aid, parameters)).sw

    def install_service(self, aid: bytes, quota: int = 1024, pin: bytes | None = b"\x03\x08\x03") -> int:
        """Installs an own service with keys of its own."""
        keys = key_set()
        parameters = tlv.encode(0x80, quota.to_bytes(2, "big"))
        parameters += tlv.encode(0x81, key_set_data(1, keys, self.keys.dek))
        parameters += tlv.encode(0x82, pin) if pin else b""
        sw = self.install(aid, parameters)
        if sw == 0x9000:
            self.services[aid] = keys
        return sw

    def set_state(self, state: State) -> int:
        return self.issuer().send(0x80, 0xF0, 0x80, state).sw

    def set_pin(self, session: Terminal, ef: int, pin: bytes) -> None:
        session.select_ef(ef).ok(0x00, 0x2C, 0x02, 0x80, pin)


def certify(key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey, signer: ec.EllipticCurvePrivateKey) -> bytes:
    """Makes a certificate for a key, DER, of no particular profile."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "synthetic resident")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key)
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(NOW)
    certificate = builder.not_valid_after(NOW.replace(year=2031)).sign(signer, hashes.SHA256())
    return certificate.public_bytes(Encoding.DER)


def rsa_key_of(template: bytes) -> rsa.RSAPublicKey:
    """Reads the answer to GENERATE ASYMMETRIC KEY PAIR of the JPKI application."""
    (body,) = tlv.parse_exactly(template, 0x7F49)
    modulus, exponent = tlv.parse_exactly(body, 0x81, 0x82)
    return rsa.RSAPublicNumbers(int.from_bytes(exponent, "big"), int.from_bytes(modulus, "big")).public_key()


def enrol_jpki(bench: Bench) -> tuple[rsa.RSAPublicKey, rsa.RSAPublicKey]:
    """Makes both key pairs and stores all certificates; returns the authentication and the signature key."""
    session = bench.issuer(jpki.AID)
    bench.set_pin(session, jpki.AUTHENTICATION_PIN, AUTHENTICATION_PIN)
    bench.set_pin(session, jpki.SIGN_PIN, SIGN_PIN)
    pairs = (jpki.AUTHENTICATION_KEY, jpki.SIGN_KEY)
    keys = [rsa_key_of(session.select_ef(ef).ok(0x00, 0x47, 0x80, 0x00, le=65_536)) for ef in pairs]
    signer = bench.federation.issuing.key
    authority = certify(signer.public_key(), signer)
    files = {
        jpki.AUTHENTICATION_CERTIFICATE: certify(keys[0], signer),
        jpki.SIGN_CERTIFICATE: certify(keys[1], signer),
        jpki.AUTHENTICATION_AUTHORITY: authority,
        jpki.SIGN_AUTHORITY: authority,
        jpki.TOKEN: b"JPKIAPICCTOKEN2".ljust(32),
    }
    groupings = b"".join(tlv.Grouping(ef, content).encode() for ef, content in files.items())
    session.ok(0x80, 0xE2, 0x80, 0x00, groupings)
    return keys[0], keys[1]


def load_resident(bench: Bench, *, photograph: bool = True) -> None:
    """Writes the juki-net files and sets the PIN."""
    session = bench.issuer(jukinet.AID)
    files = {jukinet.RESIDENT_CODE: RESIDENT_CODE, jukinet.IDENTITY: identity(photograph=photograph)}
    if photograph:
        files[jukinet.PHOTOGRAPH] = PHOTOGRAPH
    data = b"".join(tlv.Grouping(ef, content).encode() for ef, content in files.items())
    session.ok(0x80, 0xE2, 0x80, 0x00, data)
    bench.set_pin(session, jukinet.PIN, JUKI_PIN)


def resident_card(
    services: Sequence[bytes] = (),
    *,
    state: State = State.ACTIVE,
    storage: Storage | None = None,
    chip: Chip | None = None,
) -> Bench:
    """Makes a resident card in a state, with certificates, photograph, and own services (PIN set, no files)."""
    bench = Bench(chip, storage)
    bench.prepare()
    for aid in (jukinet.AID, jpki.AID):
        assert bench.install(aid) == 0x9000
    for aid in services:
        assert bench.install_service(aid) == 0x9000
        bench.set_pin(bench.service(aid), municipal.PIN, SERVICE_PIN)
    load_resident(bench)
    enrol_jpki(bench)
    _advance(bench, state)
    return bench


def operator_card(*, state: State = State.ACTIVE, chip: Chip | None = None) -> tuple[Bench, ec.EllipticCurvePublicKey]:
    """Makes an operator card, and returns its public key too."""
    bench = Bench(chip)
    bench.prepare()
    assert bench.install(operator.AID) == 0x9000
    session = bench.issuer(operator.AID)
    bench.set_pin(session, operator.PIN, OPERATOR_PIN)
    (body,) = tlv.parse_exactly(session.select_ef(operator.KEY).ok(0x00, 0x47, 0x80, 0x00), 0x7F49)
    key = decode_point(tlv.parse_exactly(body, 0x86)[0])
    certificate = certify(key, bench.federation.issuing.key)
    session.ok(0x80, 0xE2, 0x80, 0x00, tlv.Grouping(operator.CERTIFICATE, certificate).encode())
    _advance(bench, state)
    return bench, key


def _advance(bench: Bench, state: State) -> None:
    path = (State.PERSONALISED, State.ACTIVE, State.LOCKED)
    for step in path[: path.index(state) + 1] if state in path else ():
        assert bench.set_state(step) == 0x9000
    if state is State.TERMINATED:
        assert bench.set_state(state) == 0x9000


def fresh_resident() -> Bench:
    """Gives an active resident card with two own services: personalised once, then its memory copied."""
    return _resident().twin()


def fresh_operator() -> tuple[Bench, ec.EllipticCurvePublicKey]:
    """Gives an active operator card and its public key, likewise."""
    bench, key = _operator()
    return bench.twin(), key


@functools.cache
def _resident() -> Bench:
    return resident_card([LIBRARY, CLINIC])


@functools.cache
def _operator() -> tuple[Bench, ec.EllipticCurvePublicKey]:
    return operator_card()
