"""Who may call which of a municipality's methods; a method without a row is denied."""

from __future__ import annotations

from services.foundation.identity import SERVING, Tier
from services.foundation.rpc.access import Access, above, any_of, anyone, itself, within

_COUNTER = within(Tier.COUNTER)
_OVERSEEING = any_of(Tier.AUDITOR) | above(Tier.PREFECTURE, Tier.AGENCY) | itself()

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
    "/juki.municipal.v1.RegisterReadService/GetCodePool": _COUNTER | _OVERSEEING,
    "/juki.exchange.v1.StreamStatusService/ListStreams": _COUNTER | _OVERSEEING,
    "/juki.exchange.v1.StreamStatusService/ListHeld": _COUNTER | _OVERSEEING,
    "/juki.exchange.v1.StreamStatusService/RetryHeld": itself(),
    "/juki.exchange.v1.StreamStatusService/ListAlarms": _OVERSEEING,
    "/juki.witness.v1.WitnessService/AddCheckpoint": any_of(*SERVING),
    "/juki.witness.v1.WitnessService/GetCheckpoint": anyone(),
    "/juki.audit.v1.AuditService/GetCheckpoint": anyone(),
    "/juki.audit.v1.AuditService/GetInclusionProof": anyone(),
    "/juki.audit.v1.AuditService/GetConsistencyProof": anyone(),
    "/juki.audit.v1.AuditService/ListEntries": _OVERSEEING,
}
