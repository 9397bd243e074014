"""Who may call what at a municipality: its own counters; its own operator, for the state of its streams."""

from __future__ import annotations

from services.foundation.identity import Tier
from services.foundation.rpc.access import Access, itself, within

_COUNTER = within(Tier.COUNTER)
_OPERATOR = itself()

ACCESS: Access = {
    "/juki.municipal.v1.RegisterService/ReportBirth": _COUNTER,
    "/juki.municipal.v1.RegisterService/ReportMoveIn": _COUNTER,
    "/juki.municipal.v1.RegisterService/ReportRelocation": _COUNTER,
    "/juki.municipal.v1.RegisterService/ReportMoveOut": _COUNTER,
    "/juki.municipal.v1.RegisterService/ReportDeath": _COUNTER,
    "/juki.municipal.v1.RegisterService/EnterByOffice": _COUNTER,
    "/juki.municipal.v1.RegisterService/RemoveByOffice": _COUNTER,
    "/juki.municipal.v1.RegisterService/CorrectRecord": _COUNTER,
    "/juki.municipal.v1.RegisterService/ChangeHead": _COUNTER,
    "/juki.municipal.v1.RegisterService/SplitHousehold": _COUNTER,
    "/juki.municipal.v1.RegisterService/MergeHouseholds": _COUNTER,
    "/juki.municipal.v1.RegisterService/ChangeHousehold": _COUNTER,
    "/juki.municipal.v1.RegisterService/ChangeResidentCode": _COUNTER,
    "/juki.municipal.v1.RegisterService/CancelEvent": _COUNTER,
    "/juki.municipal.v1.RegisterService/ResendNotification": _COUNTER,
    "/juki.municipal.v1.RegisterReadService/GetResident": _COUNTER,
    "/juki.municipal.v1.RegisterReadService/SearchResidents": _COUNTER,
    "/juki.municipal.v1.RegisterReadService/ListRevisions": _COUNTER,
    "/juki.municipal.v1.RegisterReadService/GetHousehold": _COUNTER,
    "/juki.municipal.v1.RegisterReadService/GetCodePool": _COUNTER,
}
"""The municipality's own methods; those of the rooms it stands on come with them."""
