"""How values become messages."""

from __future__ import annotations

from datetime import date

from juki.card.v1 import applet_service_pb2 as applet_pb
from juki.card.v1 import card_pb2
from juki.card.v1 import card_service_pb2 as card_pb
from juki.card.v1 import issuing_service_pb2 as issuing_pb
from juki.card.v1 import reader_service_pb2 as reader_pb
from juki.common.v1 import civil_date_pb2
from services.card.desk import PinStanding, ResidentData
from services.card.own_services import Area
from services.card.readers.protocol import Change, Presence, Reader
from services.card.rules.issuing import Life
from services.card.rules.profile import PinName
from services.card.store.unit import IssuedCard

_LIVES = {
    Life.ISSUED: card_pb2.Card.STATE_ISSUED,
    Life.PERSONALISED: card_pb2.Card.STATE_PERSONALISED,
    Life.ACTIVE: card_pb2.Card.STATE_ACTIVE,
    Life.LOCKED: card_pb2.Card.STATE_LOCKED,
    Life.TERMINATED: card_pb2.Card.STATE_TERMINATED,
}
_PRESENCES = {
    Presence.EMPTY: reader_pb.Reader.PRESENCE_EMPTY,
    Presence.PRESENT: reader_pb.Reader.PRESENCE_PRESENT,
    Presence.MUTE: reader_pb.Reader.PRESENCE_MUTE,
}
_CHANGES = {
    Change.READER_ADDED: reader_pb.WatchReadersResponse.CHANGE_READER_ADDED,
    Change.READER_REMOVED: reader_pb.WatchReadersResponse.CHANGE_READER_REMOVED,
    Change.CARD_INSERTED: reader_pb.WatchReadersResponse.CHANGE_CARD_INSERTED,
    Change.CARD_REMOVED: reader_pb.WatchReadersResponse.CHANGE_CARD_REMOVED,
}
_PINS = {
    PinName.JUKI_NET: card_pb2.PIN_JUKI_NET,
    PinName.AUTHENTICATION: card_pb2.PIN_AUTHENTICATION,
    PinName.SIGNATURE: card_pb2.PIN_SIGNATURE,
    PinName.OPERATOR: card_pb2.PIN_OPERATOR,
}


def card(number: str, life: Life, issuer: str) -> card_pb2.Card:
    """Writes a card, by its number of twenty hexadecimal digits."""
    return card_pb2.Card(name=card_name(number), state=_LIVES[life], issuer=issuer)


def card_name(number: str) -> str:
    """Returns the resource name of a card."""
    return f"cards/{number}"


def issued(entry: IssuedCard, issuer: str, *, recalled: bool) -> issuing_pb.IssuedCard:
    """Writes a card of the node's list."""
    return issuing_pb.IssuedCard(
        card=card(entry.number, entry.life, issuer),
        holder=entry.holder,
        batch=entry.batch,
        recalled=recalled,
        unfinished=entry.unfinished,
    )


def pin_status(standing: PinStanding) -> card_pb.PinStatus:
    """Writes how a PIN stands."""
    return card_pb.PinStatus(pin=_PINS[standing.pin], tries_left=standing.tries_left, is_set=standing.is_set)


def resident_data(data: ResidentData) -> card_pb.ReadCardDataResponse:
    """Writes what the juki-net area says."""
    identity = data.identity
    return card_pb.ReadCardDataResponse(
        resident_code=data.code,
        card=card_name(identity.number.hex().upper()),
        issuer=identity.municipality,
        issue_date=day(identity.issued_on),
        expiry_date=day(identity.expires_on),
        has_photograph=identity.has_photograph,
        photograph=data.photograph,
    )


def day(value: date) -> civil_date_pb2.CivilDate:
    """Writes a day."""
    return civil_date_pb2.CivilDate(year=value.year, month=value.month, day=value.day)


def applet(area: Area) -> applet_pb.ListAppletsResponse.Applet:
    """Writes the area of a service."""
    return applet_pb.ListAppletsResponse.Applet(service_number=area.number, used=area.used, quota=area.quota)


def reader(value: Reader) -> reader_pb.Reader:
    """Writes a reader."""
    return reader_pb.Reader(name=value.name, presence=_PRESENCES[value.presence], atr=value.atr, in_use=value.in_use)


def change(value: Change) -> reader_pb.WatchReadersResponse.Change.ValueType:
    """Writes what happened to a reader."""
    return _CHANGES[value]
