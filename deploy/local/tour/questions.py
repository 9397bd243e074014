"""The second part: relying bodies confirm identities, one by one and in bulk, within their purposes."""

from __future__ import annotations

import random
import secrets
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass

from deploy.local.topology import Node
from deploy.local.tour.acts import Story
from deploy.local.tour.stage import CALL_S, Stage, answered, expect, refused
from juki.common.v1 import person_pb2, purpose_pb2, receipt_pb2
from juki.confirmation.v1 import confirmation_service_pb2 as confirmation_pb
from juki.municipal.v1 import register_read_service_pb2 as read_pb
from services.foundation.identity import NodeId
from services.vocabulary.resident_code import ResidentCode

_PENSION, _TECHNICIANS, _LICENCES = "b1-19", "b1-98", "b5-21"
_BULK = 300
_BATCH = 100
_Attributes = person_pb2.FourAttributes
_NO_ITEMS = ("outcome", "verdicts", "pairwise_id", "pairwise_key_version")
"""Fields of an answer that every body gets."""


@dataclass(frozen=True, slots=True)
class Asker:
    """A relying body, the node that answers it, and the affair for which it asks."""

    stage: Stage
    body: NodeId
    title: str
    node: Node
    affair: str

    async def by_code(self, code: str, asserted: _Attributes | None, expected: str, about: str) -> _Response:
        """Asks by resident code and tells the answer; the outcome must be as expected."""
        request = confirmation_pb.ConfirmByCodeRequest(
            purpose=_purpose(self.affair), resident_code=code, asserted=asserted, request_id=str(uuid.uuid4())
        )
        answer = await answered(self.stage.asker(self.body, self.node).ConfirmByCode(request, timeout=CALL_S))
        self._tell(about, answer.answer, answer.receipt, expected)
        return answer

    async def by_attributes(self, asserted: _Attributes, expected: str, about: str) -> None:
        """Asks by the four attributes and tells the answer; the outcome must be as expected."""
        request = confirmation_pb.ConfirmByAttributesRequest(
            purpose=_purpose(self.affair), asserted=asserted, request_id=str(uuid.uuid4())
        )
        answer = await answered(self.stage.asker(self.body, self.node).ConfirmByAttributes(request, timeout=CALL_S))
        self._tell(about, answer.answer, answer.receipt, expected)

    async def is_refused(self, affair: str, code: str) -> None:
        """Asks for an affair that is not the body's, and tells the refusal."""
        request = confirmation_pb.ConfirmByCodeRequest(purpose=_purpose(affair), resident_code=code)
        refusal = await refused(self.stage.asker(self.body, self.node).ConfirmByCode(request, timeout=CALL_S))
        expect(refusal.reason.startswith("PURPOSE_"), "refused purpose")
        facts = "".join(f", {key} {value}" for key, value in refusal.facts.items())
        self.stage.tell(self.node, f"{self.title} asks for {affair}: refused, {refusal.reason}{facts}")

    def _tell(
        self, about: str, answer: confirmation_pb.Answer, receipt: receipt_pb2.AuditReceipt, expected: str
    ) -> None:
        outcome = confirmation_pb.Outcome.Name(answer.outcome).removeprefix("OUTCOME_")
        self.stage.tell(self.node, f"{self.title} asks for {self.affair}, {about}")
        self.stage.note(f"→ {outcome}{_detail(answer)}")
        if answer.pairwise_id:
            self.stage.note(f"known to {self.title} as {answer.pairwise_id}, to others as something else")
        self.stage.receipt(receipt)
        expect(outcome == expected, f"{about}: {expected}, not {outcome}")


_Response = confirmation_pb.ConfirmByCodeResponse
_BulkResponse = confirmation_pb.ConfirmBulkResponse


async def ask(stage: Stage, story: Story) -> tuple[Node, _Response]:
    """Shows each kind of answer; returns the node and answer whose receipt the last part follows."""
    stage.chapter("Relying bodies confirm identities")
    bodies = {each.identity.code: each for each in stage.topology.relying}
    agency = stage.topology.agency
    pension, construction, licensing = (bodies[code] for code in ("local-pension", "construction", "tokyo-licensing"))
    by_pension = Asker(stage, pension.identity, pension.body, agency, _PENSION)
    by_technicians = Asker(stage, construction.identity, construction.body, agency, _TECHNICIANS)
    head, elder = story.family[0], story.elder

    first = await by_pension.by_code(head.resident_code, head.attributes, "MATCH", "all four attributes stated")
    folded = _with(head.attributes, name=head.attributes.name.replace("髙", "高"))
    await by_pension.by_code(head.resident_code, folded, "MATCH", "the name stated as 高橋, registered as 髙橋")
    await by_pension.by_code(head.resident_code, story.former_attributes, "MISMATCH", "the former address stated")
    await by_technicians.by_attributes(story.former_attributes, "MOVED", "by attributes, the former address stated")
    await by_pension.by_code(elder.resident_code, None, "DECEASED", "the one who died")
    await by_pension.by_code(story.former_code, None, "CODE_CHANGED", "the code given up")
    await by_pension.by_code(_unknown_code(), None, "NOT_FOUND", "a code that nobody has")
    await by_pension.is_refused(_TECHNICIANS, head.resident_code)
    await _ask_prefecture(stage, licensing.identity, licensing.body, story)
    await _ask_in_bulk(stage, by_pension, story)
    return agency, first


async def _ask_prefecture(stage: Stage, body: NodeId, title: str, story: Story) -> None:
    """Asks the origin's prefecture about somebody who lives there, as its own licensing office may."""
    prefecture = stage.topology.prefecture_of(story.origin)
    request = read_pb.SearchResidentsRequest(address=story.origin.title, sex=person_pb2.SEX_FEMALE, page_size=1)
    found = await answered(stage.reader(story.origin).SearchResidents(request, timeout=CALL_S))
    resident = found.residents[0]
    asker = Asker(stage, body, title, prefecture, _LICENCES)
    await asker.by_attributes(resident.attributes, "MATCH", f"by attributes, {resident.attributes.name}")


async def _ask_in_bulk(stage: Stage, pension: Asker, story: Story) -> None:
    """Confirms a few hundred residents over one stream, as for the yearly proof of life (現況確認)."""
    codes = await _codes(stage, story.origin)
    batches = [codes[start : start + _BATCH] for start in range(0, len(codes), _BATCH)]

    async def questions() -> AsyncIterator[confirmation_pb.ConfirmBulkRequest]:
        header = confirmation_pb.BulkHeader(purpose=_purpose(_PENSION), request_id=str(uuid.uuid4()))
        yield confirmation_pb.ConfirmBulkRequest(header=header)
        for number, batch in enumerate(batches, 1):
            asked = [confirmation_pb.BulkQuestion(resident_code=code) for code in batch]
            yield confirmation_pb.ConfirmBulkRequest(batch=confirmation_pb.BulkBatch(number=number, questions=asked))

    began, outcomes, receipts = time.monotonic(), Counter[str](), []
    call = stage.asker(pension.body, pension.node).ConfirmBulk(questions(), timeout=60)
    for answer in await answered(_collected(call)):
        outcomes.update(confirmation_pb.Outcome.Name(each.outcome).removeprefix("OUTCOME_") for each in answer.answers)
        receipts.append(answer.first_receipt)
    took = time.monotonic() - began
    expect(outcomes.total() == len(codes) > 0, "bulk confirmation")
    summary = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.most_common())
    text = f"{pension.title} confirms {len(codes)} in bulk: {summary}; {len(codes) / took:,.0f} a second"
    stage.tell(pension.node, text, receipts[0])


async def _collected(
    call: AsyncIterable[confirmation_pb.ConfirmBulkResponse],
) -> list[confirmation_pb.ConfirmBulkResponse]:
    return [answer async for answer in call]


async def _codes(stage: Stage, node: Node) -> list[str]:
    """Collects codes of a municipality's residents, as its counter may."""
    codes: list[str] = []
    for sex in (person_pb2.SEX_MALE, person_pb2.SEX_FEMALE):
        request = read_pb.SearchResidentsRequest(address=node.title, sex=sex, page_size=100)
        while len(codes) < _BULK:
            page = await answered(stage.reader(node).SearchResidents(request, timeout=CALL_S))
            codes += [resident.resident_code for resident in page.residents]
            request.page_token = page.next_page_token
            if not page.next_page_token:
                break
    return codes[:_BULK]


def _purpose(affair: str) -> purpose_pb2.Purpose:
    return purpose_pb2.Purpose(affair_id=affair, case_number="tour-1")


def _detail(answer: confirmation_pb.Answer) -> str:
    """Writes what differs and what was released."""
    verdicts = [
        f"{field.name} {confirmation_pb.Verdict.Name(verdict).removeprefix('VERDICT_')}"
        for field, verdict in answer.verdicts.ListFields()
        if verdict != confirmation_pb.VERDICT_SAME
    ]
    released = [field.name for field, _ in answer.ListFields() if field.name not in _NO_ITEMS]
    differing = f" ({', '.join(verdicts)})" if verdicts else ""
    return f"{differing}; released: {', '.join(released)}" if released else differing


def _with(attributes: _Attributes, *, name: str) -> _Attributes:
    changed = _Attributes()
    changed.CopyFrom(attributes)
    changed.name = name
    return changed


def _unknown_code() -> str:
    body = random.Random(secrets.randbits(64)).randrange(10**10)  # noqa: S311 - any code that is not allotted
    return ResidentCode.from_body(f"{body:010}").digits
