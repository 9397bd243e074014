"""How answers are shown: values for tables, for CSV and for JSON."""

from __future__ import annotations

from juki.common.v1 import change_pb2, civil_date_pb2, person_pb2, receipt_pb2
from juki.confirmation.v1 import confirmation_service_pb2 as pb
from juki.confirmation.v1 import purpose_service_pb2 as purpose_pb

_ATTRIBUTES = ("name", "birth_date", "sex", "address")
_SEX_WORDS = {person_pb2.SEX_MALE: "男", person_pb2.SEX_FEMALE: "女", person_pb2.SEX_NOT_KNOWN: "不明"}


def answer_values(answer: pb.Answer) -> dict[str, str]:
    """Names and values of an answer, all there, empty where nothing was released."""
    return {
        "outcome": pb.Outcome.Name(answer.outcome).removeprefix("OUTCOME_"),
        "name": answer.name,
        "birth_date": date_text(answer.birth_date) if answer.HasField("birth_date") else "",
        "sex": _SEX_WORDS.get(answer.sex, ""),
        "address": answer.address,
        "resident_code": answer.resident_code,
        "change": _change_text(answer),
        "differs": " ".join(item for item in _ATTRIBUTES if getattr(answer.verdicts, item) == pb.VERDICT_DIFFERENT),
        "identifier": f"{answer.pairwise_id}.{answer.pairwise_key_version}" if answer.pairwise_id else "",
    }


def change_values(change: pb.Change) -> dict[str, str]:
    """Names and values of one line of change history."""
    return {
        "code_index": str(change.code_index),
        "position": str(change.position),
        "reason": _reason_text(change.reason),
        "event_date": date_text(change.event_date),
        "changed_items": " ".join(change.changed_items),
    }


def purpose_values(purpose: pb.GrantedPurpose) -> dict[str, str]:
    """Names and values of one purpose."""
    return {
        "affair": purpose.affair_id,
        "in words": purpose.affair,
        "article": purpose.article,
        "items": " ".join(purpose.items) or "verdicts only",
        "ways": " ".join(purpose.ways),
        "since": date_text(purpose.effective_from),
        "until": date_text(purpose.effective_until) if purpose.HasField("effective_until") else "",
        "left today": f"{purpose.quota_left} of {purpose.quota_per_day}" if purpose.quota_per_day else "",
        "a second": f"{purpose.pace_per_second:g}" if purpose.pace_per_second else "",
        "switched on": "yes" if purpose.switched_on else "no",
        "hand over": " ".join(purpose.hand_over),
    }


def check_values(check: purpose_pb.PurposeCheck) -> dict[str, str]:
    """Names and values of one check of the gate."""
    return {
        "check": check.name,
        "passed": "yes" if check.passed else "no",
        "reason": check.reason,
        "advice": check.advice,
        "facts": " ".join(f"{name}={value}" for name, value in sorted(check.facts.items())),
    }


def receipt_values(receipt: receipt_pb2.AuditReceipt) -> dict[str, str | int]:
    """Names and values of a receipt."""
    return {"log": receipt.origin, "index": receipt.index, "leaf_hash": receipt.leaf_hash.hex()}


def date_text(date: civil_date_pb2.CivilDate) -> str:
    """Writes a date as 1985-04-01, 1985-04, 1985 or unknown."""
    if not date.year:
        return "unknown"
    return "-".join(f"{part:02}" for part in (date.year, date.month, date.day) if part)


def _reason_text(reason: change_pb2.ChangeReason.ValueType) -> str:
    return change_pb2.ChangeReason.Name(reason).removeprefix("CHANGE_REASON_")


def _change_text(answer: pb.Answer) -> str:
    if not answer.change_reason:
        return ""
    return f"{_reason_text(answer.change_reason)} {date_text(answer.change_date)}"
