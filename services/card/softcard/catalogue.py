"""Which applications this card can have, and how each is installed and selected."""

from __future__ import annotations

from services.card.apdu import StatusWord
from services.card.softcard import jpki, jukinet, municipal, operator
from services.card.softcard.applet import Applet, Denied, require
from services.card.softcard.chip import Chip
from services.card.softcard.memory import Area

_SINGLE: dict[bytes, type[jukinet.JukiNet | jpki.Jpki | operator.Operator]] = {
    jukinet.AID: jukinet.JukiNet,
    jpki.AID: jpki.Jpki,
    operator.AID: operator.Operator,
}


def install(module: bytes, aid: bytes, parameters: bytes, dek: bytes, area: Area) -> int:
    """Lays the memory of a new application and returns its quota; refuses 6A80 for none that this card can have."""
    if module in _SINGLE:
        require(aid == module and not parameters, StatusWord.DATA_INVALID)
        return 0
    is_own_service = module == municipal.MODULE and municipal.is_own_service(aid)
    require(is_own_service, StatusWord.DATA_INVALID)
    return municipal.install(area, parameters, dek)


def select(aid: bytes, area: Area, chip: Chip) -> Applet:
    """Returns a fresh selection of an installed application; refuses 6A82 for a name that is none."""
    if aid in _SINGLE:
        return _SINGLE[aid](aid, area, chip)
    if municipal.is_own_service(aid):
        return municipal.OwnService(aid, area, chip)
    raise Denied(StatusWord.FILE_UNKNOWN)
