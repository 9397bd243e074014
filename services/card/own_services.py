"""What can be done with the areas of the municipality's own services (独自サービス) on a card: blocking work."""

from __future__ import annotations

from dataclasses import dataclass

from services.card.desk import CardDesk
from services.card.refusals import ApplicationUnknown, ObjectExists
from services.card.terminal.own_service import MODULE, OwnService, ServiceParameters, ServicePin, service_aid
from services.card.terminal.scp03 import KeyAccess
from services.card.terminal.secret import Pin

_KEYS = 1
"""Version of a service's own keys."""
_ANY_FORM = ServicePin(1, 16, 1).form
"""What any service's PIN looks like; the card knows what this one asks for."""


@dataclass(frozen=True, slots=True)
class Area:
    """The area of one service."""

    number: int
    used: int
    quota: int


class OwnServices:
    """The areas of one municipality's services on the card of a desk; refuses as the desk does."""

    def __init__(self, desk: CardDesk, municipality: str) -> None:
        self._desk = desk
        self._municipality = municipality

    def install(self, number: int, quota: int, pin: ServicePin | None, *, begun: bool) -> None:
        """Installs an area; one that this very act has installed before it broke off is no error."""
        if begun and any(area.number == number for area in self.areas()):
            return
        keys = self._desk.issuer_keys.service_keys(self._desk.number, number)
        self._desk.domain().install(self._aid(number), ServiceParameters(quota, keys, _KEYS, pin))

    def delete(self, number: int, *, begun: bool) -> None:
        """Deletes an area; one that this very act has deleted before it broke off is no error."""
        if not any(area.number == number for area in self.areas()):
            if begun:
                return
            raise ApplicationUnknown("name a service that is on the card")
        self._desk.domain().delete(self._aid(number))

    def areas(self) -> list[Area]:
        """Lists this municipality's areas, by number."""
        ours = MODULE + bytes.fromhex(self._municipality)
        found = [each for each in self._desk.domain().applications() if each.aid.startswith(ours)]
        return sorted(
            (Area(int.from_bytes(each.aid[len(ours) :], "big"), each.used, each.reserved) for each in found),
            key=lambda area: area.number,
        )

    def create_file(self, number: int, file: int, size: int, *, read: int, write: int, begun: bool) -> None:
        """Makes a file of zero octets; one that this very act has made before it broke off is no error."""
        try:
            self._open(number).create_file(file, size, read=read, write=write)
        except ObjectExists:
            if not begun:
                raise

    def read(self, number: int, file: int, part: range, pin: Pin | None) -> bytes:
        """Reads part of a file; what lies behind its end is left out."""
        content = self._proved(number, pin).read_file(file)
        return content[part.start : part.stop]

    def write(self, number: int, file: int, offset: int, data: bytes, pin: Pin | None) -> None:
        """Writes part of a file."""
        self._proved(number, pin).update_file(file, data, offset)

    def set_pin(self, number: int, pin: Pin) -> None:
        """Sets the area's PIN, and gives back all tries."""
        self._open(number).reset_pin(_ANY_FORM, pin)

    def _proved(self, number: int, pin: Pin | None) -> OwnService:
        opened = self._open(number)
        if pin is not None:
            opened.verify(_ANY_FORM, pin)
        return opened

    def _open(self, number: int) -> OwnService:
        keys = self._desk.issuer_keys.service_keys(self._desk.number, number)
        return self._desk.open_with(OwnService, self._aid(number), "service", KeyAccess(keys, _KEYS))

    def _aid(self, number: int) -> bytes:
        return service_aid(self._municipality, number)
