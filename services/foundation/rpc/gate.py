"""What every call passes before a handler sees it, in one visible order."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import aclosing, contextmanager
from datetime import timedelta
from typing import Any, NoReturn, Self, TypeAlias, TypeVar, cast

import grpc
from google.rpc import status_pb2

from services.foundation.db.errors import refusal_of as database_refusal_of
from services.foundation.identity import NodeId
from services.foundation.refusals import Refusal
from services.foundation.rpc.access import COMMON, Access, permits
from services.foundation.rpc.call import Call
from services.foundation.rpc.guard import Guard
from services.foundation.rpc.messages import MESSAGE_BYTES, MessageCheck, request_id_of
from services.foundation.rpc.refusals import DeadlineMissing, DeadlineTooLong, LogUnavailable, MethodNotPermitted
from services.foundation.rpc.status import code_of, internal_status, status_of, trailers_of
from services.foundation.rpc.trust import TrustStore
from services.foundation.rpc.visit import Visit
from services.foundation.settings import NodeConfig
from services.foundation.telemetry import Telemetry

Standing = Callable[[str], None]
"""Refuses a method, by its full name, while the node itself is in no state to answer it."""

Recorder = Callable[[Call, Refusal], Awaitable[None]]
"""Makes a refusal durable in the audit log; when it raises, the caller is told LOG_UNAVAILABLE instead."""

_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
_Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
_Continuation: TypeAlias = "Callable[[grpc.HandlerCallDetails], Awaitable[_Handler | None]]"
_R = TypeVar("_R")

_log = logging.getLogger(__name__)


class Gate(grpc.aio.ServerInterceptor):
    """Wraps every handler of a node, of all four kinds.

    Handlers are called with decoded, complete messages of permitted callers; they take requests from their argument,
    never from `context.read()`. A Refusal that they raise becomes a status; anything else becomes INTERNAL without a
    word. Every refusal of an identified caller is recorded before the caller learns of it.
    """

    def __init__(
        self,
        node: NodeId,
        trust: TrustStore,
        access: Access,
        recorder: Recorder,
        *,
        classical_callers: bool = False,
        longest_deadline: timedelta = timedelta(hours=1),
        message_bytes: Mapping[str, int] | None = None,
        telemetry: Telemetry | None = None,
        standing: Standing | None = None,
    ) -> None:
        self.trust = trust
        self.access: Access = {**COMMON, **access}
        self._node = node
        self._guard = Guard(trust, classical_callers=classical_callers)
        self._recorder = recorder
        self._standing = standing
        self._domain = f"{node.tier.value}.{trust.root}"
        self._longest_seconds = longest_deadline.total_seconds()
        self._message_bytes = message_bytes or {}
        self.telemetry = telemetry or Telemetry()
        self._wrapped: dict[str, _Handler] = {}
        self._open: dict[Visit, asyncio.Task[Any]] = {}
        self._recording: set[asyncio.Task[None]] = set()
        self._checks: tuple[Callable[[Visit], None], ...] = (
            self._identify,
            self._permit,
            self._stand,
            self._limit_time,
        )
        """What a call passes before its message is looked at; then follow those of MessageCheck."""
        trust.on_change(self._cut_untrusted)

    @classmethod
    def for_node(
        cls,
        config: NodeConfig,
        trust: TrustStore,
        access: Access,
        recorder: Recorder,
        *,
        message_bytes: Mapping[str, int] | None = None,
        telemetry: Telemetry | None = None,
        standing: Standing | None = None,
    ) -> Self:
        """Returns the gate that a node's settings describe; `message_bytes` gives methods limits of their own."""
        return cls(
            config.identity,
            trust,
            access,
            recorder,
            classical_callers=config.classical_callers,
            longest_deadline=timedelta(seconds=config.longest_deadline_seconds),
            message_bytes=message_bytes,
            telemetry=telemetry,
            standing=standing,
        )

    async def intercept_service(
        self, continuation: _Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> _Handler | None:
        """Returns the wrapped handler of the method; None, and so UNIMPLEMENTED, where there is none."""
        method = handler_call_details.method
        wrapped = self._wrapped.get(method)
        if wrapped is None:
            handler = await continuation(handler_call_details)
            if handler is None:
                return None
            wrapped = self._wrapped[method] = self._wrap(method, handler)
        return wrapped

    async def settle(self) -> None:
        """Waits until every refusal is recorded, also those whose callers did not wait."""
        await asyncio.gather(*self._recording, return_exceptions=True)

    def _identify(self, visit: Visit) -> None:
        visit.peer = self._guard.identify(visit.connection)

    def _permit(self, visit: Visit) -> None:
        caller = visit.caller
        if not permits(self.access.get(visit.method, ()), caller, self._node):
            raise MethodNotPermitted("call a method that is meant for your tier", method=visit.method, peer=caller.name)

    def _stand(self, visit: Visit) -> None:
        if self._standing is not None and visit.method not in COMMON:
            self._standing(visit.method)

    def _limit_time(self, visit: Visit) -> None:
        # Tools ask for health and reflection without a deadline, and both cost next to nothing.
        if visit.method in COMMON:
            return
        remaining = visit.context.time_remaining()
        if remaining is None:
            raise DeadlineMissing("set a deadline on the call")
        if remaining > self._longest_seconds:
            raise DeadlineTooLong("set a nearer deadline", limit=int(self._longest_seconds))

    def _enter(self, visit: Visit) -> None:
        for check in self._checks:
            check(visit)

    def _wrap(self, method: str, handler: _Handler) -> _Handler:
        """Returns a handler of the same kind that takes raw bytes and lets the checked message through."""
        if handler.request_deserializer is None:
            raise TypeError(f"{method} has no message type that could be checked")
        check = MessageCheck(handler.request_deserializer, self._message_bytes.get(method, MESSAGE_BYTES))
        make: dict[tuple[bool, bool], tuple[Any, Any, Any]] = {
            (False, False): (self._unary_unary, handler.unary_unary, grpc.unary_unary_rpc_method_handler),
            (False, True): (self._unary_stream, handler.unary_stream, grpc.unary_stream_rpc_method_handler),
            (True, False): (self._stream_unary, handler.stream_unary, grpc.stream_unary_rpc_method_handler),
            (True, True): (self._stream_stream, handler.stream_stream, grpc.stream_stream_rpc_method_handler),
        }
        answer, behaviour, wrap = make[handler.request_streaming, handler.response_streaming]

        async def answered(request: Any, context: _Context) -> Any:
            visit = Visit(method, context, self.telemetry)
            return await self._conclude(visit, answer(visit, check, behaviour, request))

        return cast("_Handler", wrap(answered, None, handler.response_serializer))

    async def _unary_unary(self, visit: Visit, check: MessageCheck, behaviour: Any, raw: bytes) -> Any:
        self._enter(visit)
        return await behaviour(_admit(visit, check, raw), visit.context)

    async def _unary_stream(self, visit: Visit, check: MessageCheck, behaviour: Any, raw: bytes) -> None:
        self._enter(visit)
        with self._kept_open(visit):
            await _send(behaviour(_admit(visit, check, raw), visit.context), visit.context)

    async def _stream_unary(self, visit: Visit, check: MessageCheck, behaviour: Any, raws: AsyncIterator[bytes]) -> Any:
        self._enter(visit)
        with self._kept_open(visit):
            async with aclosing(_admitted(visit, check, raws)) as messages:
                return await behaviour(messages, visit.context)

    async def _stream_stream(
        self, visit: Visit, check: MessageCheck, behaviour: Any, raws: AsyncIterator[bytes]
    ) -> None:
        self._enter(visit)
        with self._kept_open(visit):
            async with aclosing(_admitted(visit, check, raws)) as messages:
                await _send(behaviour(messages, visit.context), visit.context)

    async def _conclude(self, visit: Visit, answer: Coroutine[Any, Any, _R]) -> _R:
        """Runs a call to its end, whichever end that is."""
        try:
            result = await answer
        except asyncio.CancelledError:
            if visit.cut is None:
                visit.end("CANCELLED")
                raise
            task = asyncio.current_task()
            if task is not None:
                task.uncancel()
            await self._refuse(visit, visit.cut)
        except grpc.aio.AbortError:
            visit.end(str(visit.context.code()))
            raise
        except Exception as error:
            await self._answer_failure(visit, _cause_of(error))
        visit.end("OK")
        return result

    async def _answer_failure(self, visit: Visit, error: Exception) -> NoReturn:
        refusal = error if isinstance(error, Refusal) else database_refusal_of(error)
        if refusal is not None:
            await self._refuse(visit, refusal)
        if visit.context.done():
            # The caller left; what failed is the handler's attempt to answer it.
            visit.end("CANCELLED")
            raise asyncio.CancelledError
        facts = {"method": visit.method}
        if visit.peer is not None:
            facts |= {"peer": visit.caller.name, "request_id": visit.call.request_id}
        _log.error("call.failed", exc_info=error, extra=facts)
        visit.end("INTERNAL")
        await _abort(visit.context, grpc.StatusCode.INTERNAL, internal_status())

    async def _refuse(self, visit: Visit, refusal: Refusal) -> NoReturn:
        told = await self._recorded(visit, refusal)
        visit.end(code_of(told).name, told.reason)
        await _abort(visit.context, code_of(told), status_of(told, self._domain))

    async def _recorded(self, visit: Visit, refusal: Refusal) -> Refusal:
        """Records a refusal and returns what to tell the caller; a caller who leaves does not stop the recording."""
        facts = {"method": visit.method, "reason": refusal.reason}
        if visit.peer is None:
            # Whose certificate no longer counts: a name that an authority vouched for, or claimed to.
            facts |= {key: value for key, value in refusal.facts.items() if key == "peer"}
            _log.warning("call.refused", extra=facts)
            return refusal
        call = visit.call
        facts |= {"peer": call.peer.name, "request_id": call.request_id}
        _log.info("call.refused", extra=facts)
        recording = asyncio.ensure_future(self._recorder(call, refusal))
        self._recording.add(recording)
        recording.add_done_callback(self._recording.discard)
        try:
            await asyncio.shield(recording)
        except Exception as error:
            _log.error("call.refusal_not_recorded", exc_info=error, extra=facts)
            return LogUnavailable("retry later: without its log the node answers nothing")
        return refusal

    @contextmanager
    def _kept_open(self, visit: Visit) -> Iterator[None]:
        """Notes a stream as open, so that it can be cut; its handler may run before it brings a message."""
        visit.publish()
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a call is answered in a task")
        self._open[visit] = task
        try:
            yield
        finally:
            del self._open[visit]

    def _cut_untrusted(self) -> None:
        """Cuts the open streams of peers that would not be let in now."""
        for visit, task in list(self._open.items()):
            try:
                self._guard.identify(visit.connection)
            except Refusal as refusal:
                if visit.cut is None:
                    visit.cut = refusal
                    task.cancel()


def _admit(visit: Visit, check: MessageCheck, raw: bytes) -> Any:
    """Returns the checked message and makes it the call's request."""
    visit.receive(check.keepable(raw))
    message = check.read(raw)
    visit.publish(request_id_of(message))
    return message


async def _admitted(visit: Visit, check: MessageCheck, raws: AsyncIterator[bytes]) -> AsyncGenerator[Any, None]:
    async for raw in raws:
        yield _admit(visit, check, raw)


async def _send(answers: Any, context: _Context) -> None:
    """Sends what a handler yields; one that writes to the context itself is only awaited."""
    if inspect.isawaitable(answers):
        await answers
        return
    async with aclosing(answers) as messages:
        async for message in messages:
            await context.write(message)


def _cause_of(error: Exception) -> Exception:
    """Returns what made a group of tasks fail: the first refusal in it, else its first error."""
    while isinstance(error, ExceptionGroup):
        refusals = error.subgroup(Refusal)
        error = (refusals or error).exceptions[0]
    return error


async def _abort(context: _Context, code: grpc.StatusCode, status: status_pb2.Status) -> NoReturn:
    await context.abort(code, status.message, trailers_of(status))
