"""What is asked about one resident, how it is answered, and what the audit log keeps of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from juki.confirmation.v1 import confirmation_service_pb2 as confirmation_pb
from services.confirmation.pairwise import Pairwise
from services.confirmation.purposes_store import add_use
from services.confirmation.rules.admission import JAPAN
from services.confirmation.rules.matching import Candidate, match_attributes, match_code
from services.confirmation.rules.purposes import Grant
from services.confirmation.rules.release import Release, release
from services.confirmation.store import ByCodes
from services.confirmation.wire import answer_pb
from services.foundation.audit.entry import AuditEntry
from services.foundation.audit.log import AuditLog, Receipt
from services.foundation.clock import Clock
from services.foundation.db.engine import Lane
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

    def __init__(self, log: AuditLog, clock: Clock, pairwise: Pairwise) -> None:
        self._log = log
        self._clock = clock
        self._pairwise = pairwise

    async def answer(self, lane: Lane, questions: Sequence[Question], releases: Sequence[Release]) -> list[Answered]:
        """Makes the answers and returns them once their entries, which follow each other without a gap, are durable.

        `lane` is not in a transaction: the append is one of its own, and has committed when it returns.
        """
        answers = [self._answer(question, one) for question, one in zip(questions, releases, strict=True)]
        entries = [
            self._entry(question, one, answer)
            for question, one, answer in zip(questions, releases, answers, strict=True)
        ]
        # If the node dies here, nothing was told. After the append the look-up is on record, told or not.
        receipts = await self.record(lane, entries, [question.asking for question in questions])
        return [Answered(answer, receipt) for answer, receipt in zip(answers, receipts, strict=True)]

    async def record(self, lane: Lane, entries: Sequence[AuditEntry], askings: Sequence[Asking] = ()) -> list[Receipt]:
        """Makes entries durable that `entry` made, and with them what `askings` count against their quotas."""
        counts = Counter(
            (one.grant.body, one.grant.affair.affair_id) for one in askings if one.grant.quota_per_day is not None
        )
        if not counts:
            return await self._log.append(lane.connection, entries)
        async with lane.connection.transaction():
            await add_use(lane, self._clock.now().astimezone(JAPAN).date(), counts)
            return await self._log.append(lane.connection, entries)

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

    def table_entry(
        self,
        call: Call,
        action: str,
        count: int,
        response: bytes,
        *,
        affair: str | None = None,
        case: str | None = None,
    ) -> AuditEntry:
        """Makes the entry of a body's looking at its own part of the purposes table."""
        return AuditEntry(
            node=self._log.node.name,
            time=self._clock.now(),
            request_id=call.request_id,
            caller=call.peer.uri,
            method=call.method,
            action=action,
            affair=affair,
            case=case,
            count=count,
            tls_version=call.tls_version,
            tls_group=call.tls_group,
            request=call.request,
            response=response,
        )

    def _answer(self, question: Question, one: Release) -> confirmation_pb.Answer:
        record = one.finding.record
        if record is None:
            return answer_pb(one, "", 0)
        identifier = self._pairwise.of(question.asking.grant, record.resident_code)
        return answer_pb(one, identifier, self._pairwise.version)

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
