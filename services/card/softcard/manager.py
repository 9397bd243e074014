"""The card manager: the issuer's security domain, which loads keys, installs applications and ends the card's life."""

from __future__ import annotations

from services.card import tlv
from services.card.apdu import Command, Response, StatusWord
from services.card.softcard import catalogue
from services.card.softcard.applet import (
    EITHER,
    PROPRIETARY,
    Applet,
    Context,
    Denied,
    Handle,
    Rule,
    issuer,
    require,
    while_open,
)
from services.card.softcard.chip import Chip
from services.card.softcard.keys import STATIC, KeyStore, parse_key_set
from services.card.softcard.lifecycle import State
from services.card.softcard.municipal import MEMORY
from services.card.softcard.pin import DIGITS
from services.card.softcard.registry import DOMAIN, Registry
from services.card.softcard.terminals import CertificateMalformed, load

_RECOGNITION = bytes.fromhex(
    "733C"
    "06072A864886FC6B01"  # GlobalPlatform
    "600C060A2A864886FC6B02020301"  # card specification 2.3.1
    "630906072A864886FC6B03"
    "640B06092A864886FC6B040360"  # SCP03, parameter 60
    "640B06092A864886FC6B041103"  # SCP11, variant a
)
"""Card recognition data (GlobalPlatform 2.3 annex H.2), without the template 66 around them, as clients take them."""
_OBJECTS = {0x0045: "number", 0x0042: "issuer"}
_CODE = 6
_DELETE_LAST = 0x01
"""P2 of some clients' DELETE, which asks to delete even the last keys; it is not obeyed."""


def _always(_: Context) -> bool:
    return True


def _while_alive(context: Context) -> bool:
    return context.state is not State.TERMINATED


class Manager(Applet):
    """One selection of the security domain."""

    def __init__(self, registry: Registry, chip: Chip) -> None:
        super().__init__(DOMAIN, registry.area(DOMAIN))
        self._registry = registry
        self._chip = chip
        self._keys = KeyStore(self._area)

    def rules(self) -> tuple[Rule, ...]:
        """Lists the commands."""

        def row(ins: int, p1: int | None, p2: int | None, handle: Handle, cla: frozenset[int] = PROPRIETARY) -> Rule:
            return Rule(ins, p1, p2, handle, cla, while_open, issuer)

        return (
            Rule(0xCA, None, None, self._get_data, EITHER, state=_always),
            row(0xD8, None, None, self._put_key),
            row(0xF1, None, STATIC, self._generate_key),
            row(0xE4, 0x00, None, self._delete),
            row(0xE6, 0x0C, 0x00, self._install),
            row(0xE2, 0x90, 0x00, self._store_data, EITHER),
            Rule(0xF0, 0x80, None, self._set_status, PROPRIETARY, _while_alive, issuer),
            Rule(0xF2, 0x40, 0x00, self._get_status, PROPRIETARY, _while_alive, issuer),
        )

    def _get_data(self, command: Command, context: Context) -> Response:
        tag = command.p1 << 8 | command.p2
        if tag == 0x9F70:
            return Response(tlv.encode(tag, bytes((context.state,))))
        require(context.state is not State.TERMINATED, StatusWord.CONDITIONS)
        match tag:
            case 0x00E0:
                return Response(self._keys.information())
            case 0x0066:
                return Response(_RECOGNITION)
            case 0x0045 | 0x0042:
                return Response(tlv.encode(tag, self._object(_OBJECTS[tag])))
            case 0xBF21:
                return Response(self._object(_certificate_cell(_key_reference(command.data))))
        raise Denied(StatusWord.REFERENCE_UNKNOWN)

    def _put_key(self, command: Command, context: Context) -> Response:
        replaced, data = command.p1, command.data
        match command.p2:
            case 0x81:
                kvn, keys, answer = parse_key_set(data, context.dek)
                self._keys.put_key_set(kvn, keys, replaced)
            case 0x10:
                answer = self._keys.put_anchor(data, replaced)
            case 0x11:
                answer = self._keys.put_static(data, replaced, context.dek)
            case _:
                raise Denied(StatusWord.PARAMETERS)
        return Response(answer)

    def _generate_key(self, command: Command, _: Context) -> Response:
        return Response(self._keys.generate_static(command.data, command.p1, self._chip.new_p256()))

    def _delete(self, command: Command, _: Context) -> Response:
        require(command.p2 <= _DELETE_LAST, StatusWord.PARAMETERS)
        found = _known(command.data, frozenset({0x4F, 0xD0, 0xD2}))
        if 0x4F in found:
            require(len(found) == 1, StatusWord.DATA_INVALID)
            self._registry.remove(found[0x4F])
            return Response()
        require(found and all(len(value) == 1 for value in found.values()), StatusWord.DATA_INVALID)
        kid, kvn = (found[tag][0] if tag in found else None for tag in (0xD0, 0xD2))
        self._keys.delete(kid, kvn)
        return Response()

    def _install(self, command: Command, context: Context) -> Response:
        fields = _fields(command.data)
        require(len(fields) == 6 and not fields[0] and fields[3] == b"\0" and not fields[5], StatusWord.DATA_INVALID)
        module, aid, parameters = fields[1], fields[2], _one(fields[4], 0xC9)
        require(aid not in self._registry.applications, StatusWord.FILE_EXISTS)
        self._registry.add(aid, catalogue.install(module, aid, parameters, context.dek, self._registry.area(aid)))
        require(sum(self._registry.applications.values()) <= MEMORY, StatusWord.NO_SPACE)
        return Response()

    def _store_data(self, command: Command, context: Context) -> Response:
        """Takes the issuer's code while the card is issued, or the certificates of a key."""
        objects = _parsed(command.data)
        tags = tuple(item.tag for item in objects)
        if tags == (0x42,):
            require(context.state is State.ISSUED, StatusWord.CONDITIONS)
            code = objects[0].value
            require(len(code) == _CODE and DIGITS.issuperset(code), StatusWord.DATA_INVALID)
            self._area.put("issuer", code)
            return Response()
        require(tags == (0xA6, 0xBF21), StatusWord.DATA_INVALID)
        reference = _key_reference(objects[0].encode())
        require(self._keys.has(reference[0], reference[1]), StatusWord.REFERENCE_UNKNOWN)
        certificates = objects[1].value
        for item in _parsed(certificates):
            try:
                load(item.encode())
            except CertificateMalformed:
                raise Denied(StatusWord.DATA_INVALID) from None
        self._area.put(_certificate_cell(reference), certificates or None)
        return Response()

    def _set_status(self, command: Command, context: Context) -> Response:
        require(not command.data, StatusWord.WRONG_LENGTH)
        try:
            target = State(command.p2)
        except ValueError:
            raise Denied(StatusWord.PARAMETERS) from None
        applications = self._registry.applications
        if target is State.PERSONALISED:
            require(applications, StatusWord.CONDITIONS)
        if target is State.ACTIVE and context.state is State.PERSONALISED:
            selections = (catalogue.select(aid, self._registry.area(aid), self._chip) for aid in applications)
            require(all(selection.is_ready() for selection in selections), StatusWord.CONDITIONS)
        self._registry.move(target)
        return Response()

    def _get_status(self, command: Command, _: Context) -> Response:
        require(command.data == b"\x4f\x00", StatusWord.DATA_INVALID)
        return Response(b"".join(self._entry(aid, quota) for aid, quota in self._registry.applications.items()))

    def _entry(self, aid: bytes, quota: int) -> bytes:
        used = self._registry.area(aid).size().to_bytes(4, "big")
        objects = tlv.encode(0x4F, aid) + tlv.encode(0x9F70, b"\x07")
        return tlv.encode(0xE3, objects + tlv.encode(0xC6, used) + tlv.encode(0xC7, quota.to_bytes(2, "big")))

    def _object(self, name: str) -> bytes:
        value = self._area.get(name)
        if value is None:
            raise Denied(StatusWord.REFERENCE_UNKNOWN)
        return value


def _parsed(data: bytes) -> tuple[tlv.Tlv, ...]:
    try:
        return tlv.parse(data)
    except tlv.TlvMalformed:
        raise Denied(StatusWord.DATA_INVALID) from None


def _known(data: bytes, tags: frozenset[int]) -> dict[int, bytes]:
    try:
        return tlv.parse_known(data, tags)
    except tlv.TlvMalformed:
        raise Denied(StatusWord.DATA_INVALID) from None


def _one(data: bytes, tag: int) -> bytes:
    objects = _parsed(data)
    require(len(objects) == 1 and objects[0].tag == tag, StatusWord.DATA_INVALID)
    return objects[0].value


def _key_reference(data: bytes) -> bytes:
    """Reads `A6{83{kid kvn}}`."""
    reference = _one(_one(data, 0xA6), 0x83)
    require(len(reference) == 2, StatusWord.DATA_INVALID)
    return reference


def _certificate_cell(reference: bytes) -> str:
    return f"certificates/{reference.hex()}"


def _fields(data: bytes) -> list[bytes]:
    """Splits the data of INSTALL into fields, each after its length in one octet."""
    fields = []
    at = 0
    while at < len(data):
        end = at + 1 + data[at]
        require(end <= len(data), StatusWord.DATA_INVALID)
        fields.append(data[at + 1 : end])
        at = end
    return fields
