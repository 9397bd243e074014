"""What is asked about one resident, how it is answered, and what the audit log keeps of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from juki.confirmation.v1 import confirmation_service_pb2 as confirmation_pb
from services.confirmation.rules.matching import Candidate, match_attributes, match_code
from services.confirmation.rules.purposes import Grant
from services.confirmation.rules.release import Release, release
from services.confirmation.store import ByCodes
from services.confirmation.wire import answer_pb
from services.foundation.audit.entry import AuditEntry
from services.foundation.audit.log import AuditLog, Connection, Receipt
from services.foundation.clock import Clock
from services.foundation.rpc.call import Call
from services.vocabulary.attributes import FourAttributes


@dataclass(frozen=True, slots=True)
class Asking:
    """Who asks, under which grant, in which case; the same for all questions of a call."""

    call: Call
    request_id: str
    grant: Grant
    case: str
    action: str
    """The audit log's name for this way of asking."""


@dataclass(frozen=True, slots=True)
class Question:
    """One resident asked about, by code, by attributes, or by code with attributes to compare."""

    asking: Asking
    request: bytes = field(repr=False)
    """The question as it came over the wire; the audit log commits to it."""
    code: str | None = field(default=None, repr=False)
    """Eleven digits; None for a code that no resident can have, or when asked by attributes."""
    asserted: FourAttributes | None = None
    subject: str | None = field(default=None, repr=False)
    """What was given as a code, sound or not."""


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer whose audit entry is durable."""

    answer: confirmation_pb.Answer = field(repr=False)
    receipt: Receipt


def by_code(question: Question, found: ByCodes) -> Release:
    """Decides what a question by code is answered."""
    code = question.code
    record = None if code is None else found.records.get(code)
    return release(match_code(record, question.asserted, renamed=code in found.given_up), question.asking.grant.items)


def by_attributes(question: Question, candidates: Sequence[Candidate]) -> Release:
    """Decides what a question by the four attributes is answered."""
    if question.asserted is None:
        raise ValueError("a question by attributes has attributes")
    return release(match_attributes(question.asserted, candidates), question.asking.grant.items)


class Recorder:
    """Writes the audit entries of answers; nothing is answered but through it."""

    def __init__(self, log: AuditLog, clock: Clock) -> None:
        self._log = log
        self._clock = clock

    async def answer(
        self, connection: Connection, questions: Sequence[Question], releases: Sequence[Release]
    ) -> list[Answered]:
        """Makes the answers and returns them once their entries, which follow each other without a gap, are durable.

        `connection` is not in a transaction: the append is one of its own, and has committed when it returns.
        """
        answers = [answer_pb(one) for one in releases]
        entries = [
            self._entry(question, one, answer)
            for question, one, answer in zip(questions, releases, answers, strict=True)
        ]
        # If the node dies here, nothing was told. After the append the look-up is on record, told or not.
        receipts = await self._log.append(connection, entries)
        return [Answered(answer, receipt) for answer, receipt in zip(answers, receipts, strict=True)]

    async def record(self, connection: Connection, entries: Sequence[AuditEntry]) -> list[Receipt]:
        """Makes entries durable that `entry` made."""
        return await self._log.append(connection, entries)

    def entry(
        self,
        asking: Asking,
        *,
        fields: tuple[str, ...],
        count: int,
        subject: str | None,
        request: bytes,
        response: bytes | None,
    ) -> AuditEntry:
        """Makes the entry of one look-up."""
        call = asking.call
        return AuditEntry(
            node=self._log.node.name,
            time=self._clock.now(),
            request_id=asking.request_id,
            caller=call.peer.uri,
            method=call.method,
            action=asking.action,
            affair=asking.grant.affair.affair_id,
            case=asking.case,
            fields=fields,
            count=count,
            tls_version=call.tls_version,
            tls_group=call.tls_group,
            subject=subject,
            request=request,
            response=response,
        )

    def purposes_entry(self, call: Call, count: int, response: bytes) -> AuditEntry:
        """Makes the entry of a body's looking at its own grants."""
        return AuditEntry(
            node=self._log.node.name,
            time=self._clock.now(),
            request_id=call.request_id,
            caller=call.peer.uri,
            method=call.method,
            action="LIST_PURPOSES",
            count=count,
            tls_version=call.tls_version,
            tls_group=call.tls_group,
            request=call.request,
            response=response,
        )

    def _entry(self, question: Question, one: Release, answer: confirmation_pb.Answer) -> AuditEntry:
        record = one.finding.record
        return self.entry(
            question.asking,
            fields=one.fields,
            count=0 if record is None else 1,
            # Whoever was found is the subject, so that they see the look-up in their access history.
            subject=question.subject if record is None else record.resident_code,
            request=question.request,
            response=answer.SerializeToString(deterministic=True),
        )
