"""Who may call which of a card node's methods; a method without a row is denied."""

from __future__ import annotations

from services.foundation.identity import SERVING, Tier
from services.foundation.rpc.access import Access, above, any_of, anyone, beside, itself

_MUNICIPALITY = above(Tier.MUNICIPAL)
"""The municipality to which the node belongs, and no other."""
_COUNTER = _MUNICIPALITY | beside(Tier.COUNTER)
"""And the terminal that stands at the same counter."""
_OVERSEEING = any_of(Tier.AUDITOR) | above(Tier.PREFECTURE, Tier.AGENCY) | itself()

_AT_THE_COUNTER = (
    "ReaderService/ListReaders",
    "ReaderService/WatchReaders",
    "CardService/OpenSession",
    "CardService/CloseSession",
    "CardService/GetCard",
    "CardService/ReadCardData",
    "CardService/VerifyPin",
    "CardService/ChangePin",
    "CardService/UnblockPin",
    "CardService/GenerateKeyPair",
    "CardService/StoreCertificate",
    "CardService/ReadCertificate",
    "CardService/SignDigest",
    "CardService/AnswerChallenge",
    "CardService/LockCard",
    "CardService/UnlockCard",
    "CardService/TerminateCard",
    "AppletService/InstallApplet",
    "AppletService/DeleteApplet",
    "AppletService/ListApplets",
    "AppletService/CreateAppletFile",
    "AppletService/ReadAppletData",
    "AppletService/WriteAppletData",
    "AppletService/SetAppletPin",
    "IssuingService/IssueCard",
    "IssuingService/ActivateCard",
    "IssuingService/AbandonIssue",
)
_AT_THE_OFFICE = ("IssuingService/IssueBatch", "IssuingService/ListCards", "IssuingService/RecallBatch")

ACCESS: Access = {
    **{f"/juki.card.v1.{method}": _COUNTER for method in _AT_THE_COUNTER},
    **{f"/juki.card.v1.{method}": _MUNICIPALITY for method in _AT_THE_OFFICE},
    "/juki.witness.v1.WitnessService/AddCheckpoint": any_of(*SERVING),
    "/juki.witness.v1.WitnessService/GetCheckpoint": anyone(),
    "/juki.audit.v1.AuditService/GetCheckpoint": anyone(),
    "/juki.audit.v1.AuditService/GetInclusionProof": anyone(),
    "/juki.audit.v1.AuditService/GetConsistencyProof": anyone(),
    "/juki.audit.v1.AuditService/ListEntries": _OVERSEEING | _MUNICIPALITY,
}
