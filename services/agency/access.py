"""Who may call which of the agency's methods; a method without a row is denied."""

from __future__ import annotations

from services.foundation.identity import SERVING, Tier
from services.foundation.rpc.access import Access, any_of, anyone, itself

_ASKING = any_of(Tier.RELYING)
_OVERSEEING = any_of(Tier.AUDITOR) | itself()

ACCESS: Access = {
    "/juki.agency.v1.CodePoolService/AllotCodes": any_of(Tier.MUNICIPAL),
    "/juki.exchange.v1.ExchangeService/Deliver": any_of(Tier.PREFECTURE),
    "/juki.exchange.v1.ExchangeService/GetPosition": any_of(Tier.PREFECTURE),
    "/juki.exchange.v1.StreamStatusService/ListStreams": _OVERSEEING,
    "/juki.exchange.v1.StreamStatusService/ListHeld": _OVERSEEING,
    "/juki.exchange.v1.StreamStatusService/RetryHeld": itself(),
    "/juki.exchange.v1.StreamStatusService/ListAlarms": _OVERSEEING,
    "/juki.confirmation.v1.ConfirmationService/ConfirmByCode": _ASKING,
    "/juki.confirmation.v1.ConfirmationService/ConfirmByAttributes": _ASKING,
    "/juki.confirmation.v1.ConfirmationService/ConfirmBulk": _ASKING,
    "/juki.confirmation.v1.ConfirmationService/ListChanges": _ASKING,
    "/juki.confirmation.v1.ConfirmationService/ListPurposes": _ASKING,
    "/juki.confirmation.v1.PurposeService/ExplainPurpose": _ASKING,
    "/juki.confirmation.v1.PurposeService/GetPurposesOrder": any_of(Tier.PREFECTURE) | _OVERSEEING,
    "/juki.confirmation.v1.HandOverService/HandOver": _ASKING,
    "/juki.witness.v1.WitnessService/AddCheckpoint": any_of(*SERVING),
    "/juki.witness.v1.WitnessService/GetCheckpoint": anyone(),
    "/juki.audit.v1.AuditService/GetCheckpoint": anyone(),
    "/juki.audit.v1.AuditService/GetInclusionProof": anyone(),
    "/juki.audit.v1.AuditService/GetConsistencyProof": anyone(),
    "/juki.audit.v1.AuditService/ListEntries": _OVERSEEING,
}
