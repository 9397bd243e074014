"""The life of a blank card, lived once: each step's answer is kept under a name, for tests to look at."""

from __future__ import annotations

from datetime import date, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from services.card import tlv
from services.card.apdu import SHORT_LE, Command
from services.card.securechannel import StaticKeys, encrypt_key
from services.card.terminal.applications import JPKI_AID, JUKI_NET_AID, CardIdentity
from services.card.terminal.domain import ANCHOR_KEY, DOMAIN_AID, STATIC_KEY, LifeCycle, SecurityDomain
from services.card.terminal.key_set import key_set_answer, key_set_data
from services.card.terminal.scp03 import KeyAccess
from services.card.terminal.session import CardSession
from tests.conformance.card.card import Card, draw_keys
from tests.conformance.card.terminal import Terminal

_NO_POINT = tlv.encode(0xB0, b"\x04" + b"\x01" * 64) + tlv.encode(0xF0, b"\0") + b"\0"
_JPEG_BEGINS, _JPEG_ENDS = b"\xff\xd8\xff\xe0", b"\xff\xd9"
JUKI_PIN, KEY_PIN = b"4711", b"1234"
CODE = b"12345678903"
_DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420") + bytes(32)


class Life:
    """Walks the card through the five states; a step that fails ends the walk, and `sw` of later ones fails."""

    def __init__(self, card: Card) -> None:
        self._card = card
        self._seen: dict[str, int | bytes] = {}
        self._ended: AssertionError | Exception | None = None
        self.keys: StaticKeys = card.keys
        self.terminal = card.fresh()
        try:
            for step in (self._load_keys, self._name, self._personalise, self._prove, self._use, self._lock, self._end):
                step()
        except Exception as error:
            self._ended = error

    def sw(self, name: str) -> int:
        """The status word of a step."""
        found = self._find(name)
        assert isinstance(found, int)
        return found

    def data(self, name: str) -> bytes:
        """What a step gave."""
        found = self._find(name)
        assert isinstance(found, bytes)
        return found

    def _find(self, name: str) -> int | bytes:
        assert name in self._seen, f"the card's life ended before this, with {self._ended!r}"
        return self._seen[name]

    def _issuer(self, aid: bytes = DOMAIN_AID) -> Terminal:
        return self.terminal.select(aid).scp03(self.keys)

    def _domain(self) -> SecurityDomain:
        return CardSession(Terminal(self._card.link)).security_domain(KeyAccess(self.keys))

    def _see(self, name: str, terminal: Terminal, *command: int | bytes | None) -> int:
        answer = terminal.send(*command)  # type: ignore[arg-type]
        self._seen[name], self._seen[f"{name}: data"] = answer.sw, answer.data
        return answer.sw

    def _move(self, name: str, *states: LifeCycle) -> None:
        for state in states:
            self._see(f"{name} to {state.name}", self._issuer(), 0x80, 0xF0, 0x80, state)

    def _state(self, name: str) -> None:
        self._see(name, self.terminal.select(DOMAIN_AID), 0x80, 0xCA, 0x9F, 0x70, b"", SHORT_LE)

    def _load_keys(self) -> None:
        self._state("new")
        keys, version, terminal = draw_keys(), self._card.specimen.keys.version, self._issuer()
        data = key_set_data(version + 1, keys, self.keys.dek)
        self._see("replace transport keys", terminal, 0x80, 0xD8, version, 0x81, data, SHORT_LE)
        self._seen["keys confirmed"] = key_set_answer(version + 1, keys)
        transport, self.keys = self.keys, keys
        end, cryptogram = self.terminal.select(DOMAIN_AID).begin_scp03(transport)
        self._seen["transport keys after"] = self.terminal.finish_scp03(end, cryptogram)
        self._move("issued", LifeCycle.PERSONALISED, LifeCycle.ACTIVE, LifeCycle.LOCKED, LifeCycle.ISSUED)

    def _name(self) -> None:
        store = tlv.encode(0x42, b"131016")
        self._see("issuer", self._issuer(), 0x80, 0xE2, 0x90, 0x00, store)
        domain = self._domain()
        domain.put_anchor(0, 5, self._card.specimen.authority.public_key())
        point = domain.generate_static(0, 6)
        self._load_other_keys()
        self._seen["certificate for no key"] = self._store_certificate(7, b"")
        number = x509.NameAttribute(x509.NameOID.SERIAL_NUMBER, self._card.specimen.number.hex().upper())
        certificate = _der(self._card.certify(x509.Name([number]), point))
        self._seen["certificate"] = self._store_certificate(6, certificate)
        self._seen["keys"] = self.terminal.select(DOMAIN_AID).ok(0x80, 0xCA, 0x00, 0xE0, le=SHORT_LE)
        self._seen["keys expected"] = bytes((ANCHOR_KEY, 5, STATIC_KEY, 6))
        self._seen["stored certificate"] = certificate
        reference = tlv.encode(0xA6, tlv.encode(0x83, bytes((STATIC_KEY, 6))))
        self._see("read certificate", self.terminal.select(DOMAIN_AID), 0x80, 0xCA, 0xBF, 0x21, reference, SHORT_LE)

    def _load_other_keys(self) -> None:
        """Adds an anchor of P-384 and a static key from outside, and takes both away again."""
        domain = self._domain()
        domain.put_anchor(0, 9, ec.generate_private_key(ec.SECP384R1()).public_key())
        terminal = self._issuer()
        scalar = ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value.to_bytes(32, "big")
        data = b"\x0a" + tlv.encode(0xB1, encrypt_key(self.keys.dek, scalar)) + tlv.encode(0xF0, b"\0") + b"\0"
        self._see("static key from outside", terminal, 0x80, 0xD8, 0x00, STATIC_KEY, data, SHORT_LE)
        self._see("no point", terminal, 0x80, 0xD8, 0x00, ANCHOR_KEY, b"\x0b" + _NO_POINT, SHORT_LE)
        self._seen["keys between"] = terminal.ok(0x80, 0xCA, 0x00, 0xE0, le=SHORT_LE)
        for kid, kvn in ((ANCHOR_KEY, 9), (STATIC_KEY, 10)):
            terminal.ok(0x80, 0xE4, data=tlv.encode(0xD0, bytes((kid,))) + tlv.encode(0xD2, bytes((kvn,))))

    def _store_certificate(self, kvn: int, der: bytes) -> int:
        reference = tlv.encode(0xA6, tlv.encode(0x83, bytes((STATIC_KEY, kvn))))
        return self._issuer().send(0x80, 0xE2, 0x90, 0x00, reference + tlv.encode(0xBF21, der)).sw

    def _personalise(self) -> None:
        domain = self._domain()
        domain.install(JUKI_NET_AID)
        domain.install(JPKI_AID)
        juki_net = self._issuer(JUKI_NET_AID)
        for name, code in (("a code of ten digits", CODE[:10]), ("a code that fails its check", b"12345678900")):
            self._see(name, juki_net, 0x80, 0xE2, 0x80, 0x00, tlv.Grouping(0x0001, code).encode())
        long = _JPEG_BEGINS + bytes(12_288) + _JPEG_ENDS
        for name, photograph in (("a photograph too long", long), ("a photograph that is none", bytes(64))):
            self._see(name, juki_net, 0x80, 0xE2, 0x80, 0x00, tlv.Grouping(0x0003, photograph).encode())
        empty = self._used(JUKI_NET_AID)
        mixed = tlv.Grouping(0x0001, CODE).encode() + tlv.Grouping(0x0002, b"no identity").encode()
        self._see("a good file and a bad one", self._issuer(JUKI_NET_AID), 0x80, 0xE2, 0x80, 0x00, mixed)
        self._seen["both undone"] = self._used(JUKI_NET_AID) == empty
        today = date(2026, 6, 1)
        identity = CardIdentity(self._card.specimen.number, "131016", today, today + timedelta(days=3650), False)
        session = CardSession(Terminal(self._card.link)).juki_net(KeyAccess(self.keys))
        session.personalise(CODE.decode(), identity)
        jpki = self._issuer(JPKI_AID)
        assert jpki.select_file(0x0018) == 0x9000
        self._see("set PIN", jpki, 0x00, 0x2C, 0x02, 0x80, KEY_PIN)
        self._see("user command in issued", jpki, 0x00, 0x20, 0x00, 0x80, KEY_PIN)
        self._move("ready", LifeCycle.PERSONALISED)

    def _used(self, aid: bytes) -> int:
        return next(each.used for each in self._domain().applications() if each.aid == aid)

    def _prove(self) -> None:
        self._see("issuer again", self._issuer(), 0x80, 0xE2, 0x90, 0x00, tlv.encode(0x42, b"131024"))
        self._move("personalised", LifeCycle.ISSUED, LifeCycle.LOCKED, LifeCycle.ACTIVE)
        outside = self.terminal.select(JPKI_AID)
        self._seen["user command before activation"] = outside.verify(0x0018, KEY_PIN)
        jpki = self._issuer(JPKI_AID)
        assert jpki.select_file(0x0017) == 0x9000
        self._see("public key before", jpki, 0x00, 0x47, 0x81, 0x00, b"", SHORT_LE)
        self._see("certificate before key", jpki, *self._stored_key(b"\0" * 32))
        self._see("first pair", jpki, 0x00, 0x47, 0x80, 0x00, b"", SHORT_LE)
        self._see("its public key", jpki, 0x00, 0x47, 0x81, 0x00, b"", SHORT_LE)
        self._seen["unset PIN"] = jpki.tries(0x001B)
        self._seen["user command in the session"] = jpki.verify(0x0018, KEY_PIN)
        jpki.select_file(0x0017)
        self._see("signature in the session", jpki, 0x80, 0x2A, 0x00, 0x80, _DIGEST_INFO, SHORT_LE)
        self._certify_pair("first certificate")
        jpki = self._issuer(JPKI_AID)
        jpki.select_file(0x0017)
        self._see("second pair", jpki, 0x00, 0x47, 0x80, 0x00, b"", SHORT_LE)
        self._seen["certificate of the old pair"] = jpki.read(0x000A).sw
        self._see("old certificate for the new pair", jpki, *self._stored_key(self.data("first certificate: data")))
        self._certify_pair("second certificate")

    def _stored_key(self, certificate: bytes) -> tuple[int, int, int, int, bytes]:
        if certificate == b"\0" * 32:
            key = rsa.generate_private_key(65537, 2048).public_key()
            certificate = _der(self._card.certify(_named("nobody"), key))
        return 0x80, 0xE2, 0x80, 0x00, tlv.Grouping(0x000A, certificate).encode()

    def _certify_pair(self, name: str) -> None:
        modulus, exponent = tlv.parse_exactly(
            tlv.parse_exactly(self.terminal.select(JPKI_AID).ok(*self._public()), 0x7F49)[0], 0x81, 0x82
        )
        numbers = rsa.RSAPublicNumbers(int.from_bytes(exponent, "big"), int.from_bytes(modulus, "big"))
        certificate = _der(self._card.certify(_named("synthetic holder"), numbers.public_key()))
        data = tlv.Grouping(0x000A, certificate).encode()
        self._see(name, self._issuer(JPKI_AID), 0x80, 0xE2, 0x80, 0x00, data)
        self._seen[f"{name}: data"] = certificate

    def _public(self) -> tuple[int, int, int, int, bytes, int]:
        assert self.terminal.select_file(0x0017) == 0x9000
        return 0x00, 0x47, 0x81, 0x00, b"", SHORT_LE

    def _use(self) -> None:
        juki_net = self._issuer(JUKI_NET_AID)
        assert juki_net.select_file(0x0018) == 0x9000
        self._see("juki-net PIN", juki_net, 0x00, 0x2C, 0x02, 0x80, JUKI_PIN)
        self._move("complete", LifeCycle.ACTIVE)
        self._seen["user command when active"] = self.terminal.select(JPKI_AID).verify(0x0018, KEY_PIN)
        self._move("active", LifeCycle.ISSUED, LifeCycle.PERSONALISED, LifeCycle.ACTIVE)

    def _lock(self) -> None:
        self._move("active", LifeCycle.LOCKED)
        for name, aid in (("juki-net", JUKI_NET_AID), ("JPKI", JPKI_AID)):
            self._seen[f"locked {name}"] = self.terminal.select(DOMAIN_AID).choose(aid)
        self._see("number of a locked card", self.terminal, 0x80, 0xCA, 0x00, 0x45, b"", SHORT_LE)
        self._see("locked deletes", self._issuer(), 0x80, 0xE4, 0x00, 0x00, tlv.encode(0x4F, JPKI_AID))
        self._move("locked", LifeCycle.PERSONALISED, LifeCycle.LOCKED, LifeCycle.ACTIVE)
        self._seen["unlocked JPKI"] = self.terminal.select(JPKI_AID).verify(0x0018, KEY_PIN)

    def _end(self) -> None:
        self._move("active", LifeCycle.TERMINATED)
        self._state("terminated")
        for name, tag in (("number", 0x0045), ("keys", 0x00E0), ("issuer", 0x0042)):
            self._see(f"terminated {name}", self.terminal, 0x80, 0xCA, tag >> 8, tag & 0xFF, b"", SHORT_LE)
        self._seen["terminated JPKI"] = self.terminal.choose(JPKI_AID)
        self._seen["terminated INITIALIZE UPDATE"] = self.terminal.transmit(
            Command(0x80, 0x50, 0x00, 0x00, bytes(8), SHORT_LE)
        ).sw
        self._see("terminated SET STATUS", self.terminal, 0x80, 0xF0, 0x80, LifeCycle.ACTIVE)
        self._card.link.reset()
        self._state("terminated after a reset")


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)
