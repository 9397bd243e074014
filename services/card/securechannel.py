"""How terminal and card agree on session keys (SCP03, SCP11a) and protect what they say (GlobalPlatform Amd. D, F)."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, replace

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC
from cryptography.hazmat.primitives.kdf.x963kdf import X963KDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from services.card import tlv
from services.card.apdu import SHORT_DATA, Command, Response

KEY_SIZE = 16
"""Octets of every symmetric key here: AES-128."""
BLOCK = 16
MAC_SIZE = 8
CHALLENGE_SIZE = 8
SECURITY_LEVEL = 0x33
"""Command and response MAC and encryption; the only level that is offered."""
SECURE_MESSAGING = 0x04
"""The bit of CLA that marks a protected command."""
_CHANNEL_AND_CHAINING = 0x13

_CARD_CRYPTOGRAM, _HOST_CRYPTOGRAM, _S_ENC, _S_MAC, _S_RMAC = 0x00, 0x01, 0x04, 0x06, 0x07
_KEY_PARAMETERS = b"\x3c\x88\x10"
"""Usage (C-MAC, C-ENC, R-MAC, R-ENC), type (AES) and length (16) of the keys that SCP11 derives."""
SCP11A_CONTROL = bytes.fromhex("A60D9002110195013C800188810110")
"""The control reference that asks for SCP11a with those keys; the terminal's ephemeral key follows it."""


class ChannelBroken(Exception):  # noqa: N818 - names what is the case
    """A cryptogram, receipt, MAC or padding is not what it should be; the session must end."""


@dataclass(frozen=True, slots=True, repr=False)
class StaticKeys:
    """The three keys of an SCP03 key set, AES-128 each."""

    enc: bytes
    mac: bytes
    dek: bytes

    def __post_init__(self) -> None:
        if any(len(key) != KEY_SIZE for key in (self.enc, self.mac, self.dek)):
            raise ValueError("each key of a set has sixteen octets")


@dataclass(frozen=True, slots=True, repr=False)
class SessionKeys:
    """The keys of one session; `dek` protects keys that are sent inside it."""

    enc: bytes
    mac: bytes
    rmac: bytes
    dek: bytes


def check_value(key: bytes) -> bytes:
    """Computes the first three octets of AES over sixteen octets 01, by which a loaded key is recognised."""
    return _ecb(key, b"\x01" * BLOCK)[:3]


def derive_scp03(keys: StaticKeys, host_challenge: bytes, card_challenge: bytes) -> SessionKeys:
    """Derives the session keys of SCP03 (SP 800-108, counter mode, CMAC)."""
    context = host_challenge + card_challenge
    return SessionKeys(
        _kdf(keys.enc, _S_ENC, context, KEY_SIZE),
        _kdf(keys.mac, _S_MAC, context, KEY_SIZE),
        _kdf(keys.mac, _S_RMAC, context, KEY_SIZE),
        keys.dek,
    )


def card_cryptogram(keys: SessionKeys, host_challenge: bytes, card_challenge: bytes) -> bytes:
    """Computes what proves to the terminal that the card has the static keys."""
    return _kdf(keys.mac, _CARD_CRYPTOGRAM, host_challenge + card_challenge, MAC_SIZE)


def host_cryptogram(keys: SessionKeys, host_challenge: bytes, card_challenge: bytes) -> bytes:
    """Computes what proves to the card that the terminal has the static keys."""
    return _kdf(keys.mac, _HOST_CRYPTOGRAM, host_challenge + card_challenge, MAC_SIZE)


def encode_point(key: ec.EllipticCurvePublicKey) -> bytes:
    """Serializes a public key as an uncompressed point (ANSI X9.62)."""
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def decode_point(point: bytes, curve: ec.EllipticCurve | None = None) -> ec.EllipticCurvePublicKey:
    """Reads an uncompressed point of P-256, or of `curve`; raises ValueError for what is none."""
    if point[:1] != b"\x04":
        raise ValueError("give an uncompressed point")
    return ec.EllipticCurvePublicKey.from_encoded_point(curve or ec.SECP256R1(), point)


def scp11a_request(ephemeral: ec.EllipticCurvePublicKey) -> bytes:
    """Builds the data of the terminal's MUTUAL AUTHENTICATE."""
    return SCP11A_CONTROL + tlv.encode(0x5F49, encode_point(ephemeral))


def parse_scp11a_request(data: bytes) -> ec.EllipticCurvePublicKey:
    """Returns the terminal's ephemeral key; raises ValueError for other parameters or no point of P-256."""
    control, point = tlv.parse_exactly(data, 0xA6, 0x5F49)
    if tlv.encode(0xA6, control) != SCP11A_CONTROL:
        raise ValueError("ask for SCP11a with AES-128 keys and full security")
    return decode_point(point)


@dataclass(frozen=True, slots=True, repr=False)
class Agreement:
    """What both ends of SCP11a have after the key agreement: session keys, and the receipt that begins the chain."""

    keys: SessionKeys
    receipt: bytes


def agree_scp11a(
    own_ephemeral: ec.EllipticCurvePrivateKey,
    own_static: ec.EllipticCurvePrivateKey,
    peer_ephemeral: ec.EllipticCurvePublicKey,
    peer_static: ec.EllipticCurvePublicKey,
    *,
    request: bytes,
    card_ephemeral: ec.EllipticCurvePublicKey,
) -> Agreement:
    """Derives the keys and the receipt of SCP11a; both ends call it with their own keys and get the same."""
    shared = own_ephemeral.exchange(ec.ECDH(), peer_ephemeral) + own_static.exchange(ec.ECDH(), peer_static)
    octets = X963KDF(hashes.SHA256(), 5 * KEY_SIZE, _KEY_PARAMETERS).derive(shared)
    receipt_key, *session = (octets[at : at + KEY_SIZE] for at in range(0, len(octets), KEY_SIZE))
    receipt = _cmac(receipt_key, request + tlv.encode(0x5F49, encode_point(card_ephemeral)))
    return Agreement(SessionKeys(*session), receipt)


class _End:
    """What both ends keep: the keys, the chaining value and the counter of the current command."""

    def __init__(self, keys: SessionKeys, chaining: bytes = bytes(BLOCK)) -> None:
        self.keys = keys
        self._chaining = chaining
        self._counter = 0

    def _next_mac(self, command: Command, data: bytes) -> bytes:
        """Moves the chain over a command and its protected data; returns the MAC that belongs behind them."""
        cla = command.cla & ~_CHANNEL_AND_CHAINING | SECURE_MESSAGING
        size = len(data) + MAC_SIZE
        is_short = size <= SHORT_DATA and not command.extended
        lc = bytes((size,)) if is_short else b"\0" + size.to_bytes(2, "big")
        header = bytes((cla, command.ins, command.p1, command.p2))
        self._chaining = _cmac(self.keys.mac, self._chaining + header + lc + data)
        return self._chaining[:MAC_SIZE]

    def _response_mac(self, data: bytes, sw: int) -> bytes:
        return _cmac(self.keys.rmac, self._chaining + data + sw.to_bytes(2, "big"))[:MAC_SIZE]

    def _cipher(self, *, response: bool) -> Cipher[modes.CBC]:
        first = b"\x80" if response else b"\0"
        vector = _ecb(self.keys.enc, first + self._counter.to_bytes(BLOCK - 1, "big"))
        return Cipher(algorithms.AES(self.keys.enc), modes.CBC(vector))

    def _encrypt(self, data: bytes, *, response: bool) -> bytes:
        encryptor = self._cipher(response=response).encryptor()
        return encryptor.update(_pad(data)) + encryptor.finalize()

    def _decrypt(self, data: bytes, *, response: bool) -> bytes:
        if len(data) % BLOCK:
            raise ChannelBroken("the encrypted data are no whole blocks")
        decryptor = self._cipher(response=response).decryptor()
        return _unpad(decryptor.update(data) + decryptor.finalize())


class HostEnd(_End):
    """The terminal's end: protects commands, and opens answers.

    One command at a time: `unwrap` opens the answer to the last command wrapped.
    """

    def authenticate(self, command: Command) -> Command:
        """Adds the MAC to EXTERNAL AUTHENTICATE, which is not encrypted and not counted."""
        mac = self._next_mac(command, command.data)
        return replace(command, cla=command.cla | SECURE_MESSAGING, data=command.data + mac)

    def wrap(self, command: Command) -> Command:
        """Encrypts and authenticates one command; Le stays as it is."""
        self._counter += 1
        data = self._encrypt(command.data, response=False) if command.data else b""
        mac = self._next_mac(command, data)
        return replace(command, cla=command.cla | SECURE_MESSAGING, data=data + mac)

    def unwrap(self, response: Response) -> Response:
        """Opens the answer to the last command; raises `ChannelBroken` for a wrong MAC or padding.

        An error's status word comes bare and is returned as it is: nobody vouches for it.
        """
        if response.is_error:
            return response
        data, mac = response.data[:-MAC_SIZE], response.data[-MAC_SIZE:]
        if not hmac.compare_digest(mac, self._response_mac(data, response.sw)):
            raise ChannelBroken("the answer's MAC is wrong")
        return replace(response, data=self._decrypt(data, response=True) if data else b"")


class CardEnd(_End):
    """The card's end: opens commands, and protects answers."""

    def accept(self, command: Command) -> bytes:
        """Checks the MAC of EXTERNAL AUTHENTICATE and returns what it carries; raises `ChannelBroken`."""
        return self._checked(command)

    def unwrap(self, command: Command) -> Command:
        """Checks and opens one command; raises `ChannelBroken` for a wrong MAC or padding."""
        self._counter += 1
        data = self._checked(command)
        opened = self._decrypt(data, response=False) if data else b""
        return replace(command, cla=command.cla & ~SECURE_MESSAGING, data=opened)

    def wrap(self, response: Response) -> Response:
        """Protects the answer to the last command; an error's status word goes out bare."""
        if response.is_error:
            return Response(sw=response.sw)
        data = self._encrypt(response.data, response=True) if response.data else b""
        return replace(response, data=data + self._response_mac(data, response.sw))

    def _checked(self, command: Command) -> bytes:
        data, mac = command.data[:-MAC_SIZE], command.data[-MAC_SIZE:]
        if not hmac.compare_digest(mac, self._next_mac(command, data)):
            raise ChannelBroken("the command's MAC is wrong")
        return data


def encrypt_key(dek: bytes, key: bytes) -> bytes:
    """Encrypts a key, whole blocks long, for PUT KEY (AES-CBC, zero vector)."""
    encryptor = Cipher(algorithms.AES(dek), modes.CBC(bytes(BLOCK))).encryptor()
    return encryptor.update(key) + encryptor.finalize()


def decrypt_key(dek: bytes, encrypted: bytes) -> bytes:
    """Opens a key that `encrypt_key` closed; raises ValueError unless it is whole blocks."""
    decryptor = Cipher(algorithms.AES(dek), modes.CBC(bytes(BLOCK))).decryptor()
    return decryptor.update(encrypted) + decryptor.finalize()


def verify_receipt(expected: bytes, received: bytes) -> None:
    """Raises `ChannelBroken` unless the card's receipt is the expected one."""
    if not hmac.compare_digest(expected, received):
        raise ChannelBroken("the card's receipt is wrong: it does not have the key that it should")


def _kdf(key: bytes, label: int, context: bytes, size: int) -> bytes:
    fixed = bytes((label, 0)) + (size * 8).to_bytes(2, "big") + b"\x01"
    return _cmac(key, bytes(11) + fixed + context)[:size]


def _cmac(key: bytes, message: bytes) -> bytes:
    mac = CMAC(algorithms.AES(key))
    mac.update(message)
    return mac.finalize()


def _ecb(key: bytes, block: bytes) -> bytes:
    # One block, so that the mode does not matter: it is AES itself.
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305
    return encryptor.update(block) + encryptor.finalize()


def _pad(data: bytes) -> bytes:
    return data + b"\x80" + bytes(-(len(data) + 1) % BLOCK)


def _unpad(data: bytes) -> bytes:
    body = data.rstrip(b"\0")
    if body[-1:] != b"\x80" or len(data) - len(body) >= BLOCK:
        raise ChannelBroken("the padding is wrong")
    return body[:-1]
