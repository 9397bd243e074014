"""What is done with a card in a session."""

from __future__ import annotations

import grpc.aio

from juki.card.v1 import card_service_pb2 as pb
from juki.card.v1 import card_service_pb2_grpc as rpc
from juki.common.v1.receipt_pb2 import AuditReceipt
from services.card.desk import CardDesk, ResidentData
from services.card.handlers.acts import Acts, Under, action_of, receipted
from services.card.handlers.opening import Opening
from services.card.refusals import SessionUnknown
from services.card.rules.issuing import Life
from services.card.rules.use import check_challenge, check_digest, check_not_recalled
from services.card.terminal.secret import Pin
from services.card.wire import parse, write
from services.foundation.journal import Reason, receipt_message
from services.foundation.rpc.call import current_call

_DATA = ("resident_code", "card", "issuer", "issue_date", "expiry_date")


class CardHandlers(rpc.CardServiceServicer):
    """Answers for the card of a session."""

    def __init__(self, acts: Acts, opening: Opening) -> None:
        self._acts = acts
        self._opening = opening

    async def OpenSession(  # noqa: D102 - the proto says it
        self,
        request: pb.OpenSessionRequest,
        _context: grpc.aio.ServicerContext[pb.OpenSessionRequest, pb.OpenSessionResponse],
    ) -> pb.OpenSessionResponse:
        call = current_call()
        held = await self._opening.open(call, request.reader)
        receipt = await self._acts.journal.record_alone(self._acts.entry(call, held))
        return pb.OpenSessionResponse(
            session=held.name,
            card=write.card(held.number, held.desk.life, held.desk.issuer_code),
            idle_seconds=int(self._acts.sessions.idle_seconds),
            receipt=receipt_message(receipt),
        )

    async def CloseSession(  # noqa: D102 - the proto says it
        self,
        request: pb.CloseSessionRequest,
        _context: grpc.aio.ServicerContext[pb.CloseSessionRequest, pb.CloseSessionResponse],
    ) -> pb.CloseSessionResponse:
        call, sessions = current_call(), self._acts.sessions
        entry = self._acts.journal.entry(action_of(call), reason=Reason(), call=call, count=0)
        try:
            held = sessions.find(request.session, call.peer)
        except SessionUnknown:
            pass
        else:
            entry = self._acts.entry(call, held)
            await sessions.end(held)
        return pb.CloseSessionResponse(receipt=receipt_message(await self._acts.journal.record_alone(entry)))

    async def GetCard(  # noqa: D102 - the proto says it
        self, request: pb.GetCardRequest, _context: grpc.aio.ServicerContext[pb.GetCardRequest, pb.GetCardResponse]
    ) -> pb.GetCardResponse:
        def answer(done: tuple[list[pb.PinStatus], CardDesk], receipt: AuditReceipt) -> pb.GetCardResponse:
            pins, desk = done
            card = write.card(desk.number.hex().upper(), desk.life, desk.issuer_code)
            return pb.GetCardResponse(card=card, pins=pins, receipt=receipt)

        return await self._acts.look(
            request.session, lambda desk: ([write.pin_status(each) for each in desk.pins()], desk), answer
        )

    async def ReadCardData(  # noqa: D102 - the proto says it
        self,
        request: pb.ReadCardDataRequest,
        _context: grpc.aio.ServicerContext[pb.ReadCardDataRequest, pb.ReadCardDataResponse],
    ) -> pb.ReadCardDataResponse:
        held = self._acts.sessions.find(request.session, current_call().peer)

        def read(desk: CardDesk) -> ResidentData:
            data = desk.read_resident(photograph=request.include_photograph)
            # From here on the log says whose card it is, in commitments.
            held.subject = data.code
            return data

        def answer(done: ResidentData, receipt: AuditReceipt) -> pb.ReadCardDataResponse:
            response = write.resident_data(done)
            response.receipt.CopyFrom(receipt)
            return response

        fields = (*_DATA, "photograph") if request.include_photograph else _DATA
        return await self._acts.look(request.session, read, answer, fields)

    async def VerifyPin(  # noqa: D102 - the proto says it
        self,
        request: pb.VerifyPinRequest,
        _context: grpc.aio.ServicerContext[pb.VerifyPinRequest, pb.VerifyPinResponse],
    ) -> pb.VerifyPinResponse:
        name = parse.pin_name(request.pin)
        with Pin(request.value) as pin:
            # Never answered from what is kept: whether the card holds the PIN for proved, only the card knows.
            return await self._acts.perform_again(
                request.session,
                lambda desk: desk.verify(name, pin),
                receipted(pb.VerifyPinResponse),
            )

    async def ChangePin(  # noqa: D102 - the proto says it
        self,
        request: pb.ChangePinRequest,
        _context: grpc.aio.ServicerContext[pb.ChangePinRequest, pb.ChangePinResponse],
    ) -> pb.ChangePinResponse:
        name = parse.pin_name(request.pin)
        with Pin(request.value) as old, Pin(request.new_value) as new:
            return await self._acts.perform(
                request.session,
                pb.ChangePinResponse,
                lambda under: under.desk.change_pin(name, old, new),
                receipted(pb.ChangePinResponse),
            )

    async def UnblockPin(  # noqa: D102 - the proto says it
        self,
        request: pb.UnblockPinRequest,
        _context: grpc.aio.ServicerContext[pb.UnblockPinRequest, pb.UnblockPinResponse],
    ) -> pb.UnblockPinResponse:
        name = parse.pin_name(request.pin)
        with Pin(request.new_value) as new:
            return await self._acts.perform(
                request.session,
                pb.UnblockPinResponse,
                lambda under: under.desk.reset_pin(name, new),
                receipted(pb.UnblockPinResponse),
            )

    async def GenerateKeyPair(  # noqa: D102 - the proto says it
        self,
        request: pb.GenerateKeyPairRequest,
        _context: grpc.aio.ServicerContext[pb.GenerateKeyPairRequest, pb.GenerateKeyPairResponse],
    ) -> pb.GenerateKeyPairResponse:
        name = parse.key_name(request.key)
        with Pin(request.pin_value) as pin:
            return await self._acts.perform(
                request.session,
                pb.GenerateKeyPairResponse,
                lambda under: under.desk.generate(name, pin),
                lambda done, receipt: pb.GenerateKeyPairResponse(certification_request=done, receipt=receipt),
            )

    async def StoreCertificate(  # noqa: D102 - the proto says it
        self,
        request: pb.StoreCertificateRequest,
        _context: grpc.aio.ServicerContext[pb.StoreCertificateRequest, pb.StoreCertificateResponse],
    ) -> pb.StoreCertificateResponse:
        name = parse.certificate_name(request.certificate)
        return await self._acts.perform(
            request.session,
            pb.StoreCertificateResponse,
            lambda under: under.desk.store_certificate(name, request.der),
            receipted(pb.StoreCertificateResponse),
        )

    async def ReadCertificate(  # noqa: D102 - the proto says it
        self,
        request: pb.ReadCertificateRequest,
        _context: grpc.aio.ServicerContext[pb.ReadCertificateRequest, pb.ReadCertificateResponse],
    ) -> pb.ReadCertificateResponse:
        name = parse.certificate_name(request.certificate)
        return await self._acts.look(
            request.session,
            lambda desk: desk.read_certificate(name),
            lambda done, receipt: pb.ReadCertificateResponse(der=done, receipt=receipt),
            (name.name.lower(),),
        )

    async def SignDigest(  # noqa: D102 - the proto says it
        self,
        request: pb.SignDigestRequest,
        _context: grpc.aio.ServicerContext[pb.SignDigestRequest, pb.SignDigestResponse],
    ) -> pb.SignDigestResponse:
        name, algorithm = parse.key_name(request.key), parse.algorithm(request.hash_algorithm)
        check_digest(name, algorithm, request.digest)
        return await self._acts.perform_again(
            request.session,
            lambda desk: desk.sign(name, algorithm, request.digest),
            lambda done, receipt: pb.SignDigestResponse(signature=done, receipt=receipt),
        )

    async def AnswerChallenge(  # noqa: D102 - the proto says it
        self,
        request: pb.AnswerChallengeRequest,
        _context: grpc.aio.ServicerContext[pb.AnswerChallengeRequest, pb.AnswerChallengeResponse],
    ) -> pb.AnswerChallengeResponse:
        check_challenge(request.challenge)
        return await self._acts.perform_again(
            request.session,
            lambda desk: desk.answer(request.challenge),
            lambda done, receipt: pb.AnswerChallengeResponse(signature=done, receipt=receipt),
        )

    async def LockCard(  # noqa: D102 - the proto says it
        self, request: pb.LockCardRequest, _context: grpc.aio.ServicerContext[pb.LockCardRequest, pb.LockCardResponse]
    ) -> pb.LockCardResponse:
        return await self._acts.perform(
            request.session,
            pb.LockCardResponse,
            lambda under: _moved(under, Life.LOCKED),
            lambda done, receipt: pb.LockCardResponse(card=write.card(*done), receipt=receipt),
            changes_life=True,
        )

    async def UnlockCard(  # noqa: D102 - the proto says it
        self,
        request: pb.UnlockCardRequest,
        _context: grpc.aio.ServicerContext[pb.UnlockCardRequest, pb.UnlockCardResponse],
    ) -> pb.UnlockCardResponse:
        held = self._acts.sessions.find(request.session, current_call().peer)
        async with self._acts.store.begin() as unit:
            check_not_recalled(recalled=await unit.cards.is_recalled(held.number))
        return await self._acts.perform(
            request.session,
            pb.UnlockCardResponse,
            lambda under: _moved(under, Life.ACTIVE),
            lambda done, receipt: pb.UnlockCardResponse(card=write.card(*done), receipt=receipt),
            changes_life=True,
        )

    async def TerminateCard(  # noqa: D102 - the proto says it
        self,
        request: pb.TerminateCardRequest,
        _context: grpc.aio.ServicerContext[pb.TerminateCardRequest, pb.TerminateCardResponse],
    ) -> pb.TerminateCardResponse:
        return await self._acts.perform(
            request.session,
            pb.TerminateCardResponse,
            lambda under: _moved(under, Life.TERMINATED),
            lambda done, receipt: pb.TerminateCardResponse(card=write.card(*done), receipt=receipt),
            changes_life=True,
        )


def _moved(under: Under, life: Life) -> tuple[str, Life, str]:
    desk = under.desk
    return desk.number.hex().upper(), desk.move(life, begun=under.begun), desk.issuer_code
