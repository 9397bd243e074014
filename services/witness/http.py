"""The HTTP form of C2SP tlog-witness: the least of HTTP/1.1 that its two requests need, bounded in every direction."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from services.foundation.refusals import Refusal
from services.foundation.witness.rules import REQUEST_LIMIT
from services.foundation.witness.witness import Witness

_log = logging.getLogger(__name__)

_HEAD_LIMIT = 16 * 1024
_SECONDS = 10.0
"""How long a peer may take over a request, or stay without one."""
_CONNECTIONS = 256
_TEXT = "text/plain; charset=utf-8"
_REASONS = {
    200: "OK",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    411: "Length Required",
    413: "Content Too Large",
    422: "Unprocessable Entity",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


@dataclass(frozen=True, slots=True)
class Request:
    """What a peer asked."""

    method: str
    path: str
    body: bytes = b""
    keep: bool = True


@dataclass(frozen=True, slots=True)
class Response:
    """What it is answered."""

    code: int
    body: str = ""
    content_type: str = _TEXT


class Rejected(Exception):  # noqa: N818 - an answer, not an error
    """What came is no request that is answered; the connection ends."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class WitnessServer:
    """Serves one witness under `prefix` (empty, or a path that begins with a slash); `origins` names the logs."""

    def __init__(self, witness: Witness, origins: Callable[[], Iterable[str]], prefix: str = "") -> None:
        self._witness = witness
        self._origins = origins
        self._prefix = prefix
        self._open = 0

    async def serve(self, host: str, port: int) -> asyncio.Server:
        """Listens and returns the server, which the caller closes."""
        return await asyncio.start_server(self._connected, host, port, limit=_HEAD_LIMIT)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            async with asyncio.timeout(None) as patience:
                await self._converse(reader, writer, patience)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            pass
        finally:
            self._open -= 1
            writer.close()

    async def _converse(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, patience: asyncio.Timeout
    ) -> None:
        keep = True
        while keep:
            patience.reschedule(asyncio.get_running_loop().time() + _SECONDS)
            try:
                request = await self._next(reader)
                keep, response = request.keep, await self._answer(request)
            except Rejected as rejected:
                keep, response = False, Response(rejected.code, f"{_REASONS[rejected.code]}\n")
            writer.write(_written(response, keep=keep))
            await writer.drain()

    async def _next(self, reader: asyncio.StreamReader) -> Request:
        if self._open > _CONNECTIONS:
            raise Rejected(503)
        return await _read(reader)

    async def _answer(self, request: Request) -> Response:
        try:
            return await self._answered(request)
        except (Refusal, OSError) as error:
            # Without its disk a witness vouches for nothing.
            reason = error.reason if isinstance(error, Refusal) else type(error).__name__
            _log.critical("witness.state_failed", extra={"reason": reason})
            return Response(500, "the witness cannot use its state\n")

    async def _answered(self, request: Request) -> Response:
        if not request.path.startswith(f"{self._prefix}/"):
            return Response(404, "no such path\n")
        path = request.path.removeprefix(f"{self._prefix}/")
        if path == "add-checkpoint":
            if request.method != "POST":
                return Response(405, "POST a checkpoint\n")
            answer = await self._witness.add_checkpoint(request.body)
            return Response(answer.status, answer.body, answer.content_type)
        for origin in self._origins():
            if path == f"{hashlib.sha256(origin.encode()).hexdigest()}/checkpoint":
                if request.method != "GET":
                    return Response(405, "GET a checkpoint\n")
                note = await self._witness.checkpoint(origin)
                return Response(200, note) if note is not None else Response(404, "nothing witnessed yet\n")
        return Response(404, "no such path\n")


async def _read(reader: asyncio.StreamReader) -> Request:
    """Reads a request; raises Rejected, and IncompleteReadError when the peer leaves."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.LimitOverrunError:
        raise Rejected(431) from None
    first, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or words[2] not in ("HTTP/1.1", "HTTP/1.0") or not words[1].startswith("/"):
        raise Rejected(400)
    fields = _fields(lines)
    keep = words[2] == "HTTP/1.1" and fields.get("connection", "").lower() != "close"
    body = await reader.readexactly(_length(words[0], fields))
    return Request(words[0], words[1], body, keep)


def _fields(lines: Iterable[str]) -> Mapping[str, str]:
    fields: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        # A repeated or folded field could be read in two ways, so neither is read.
        if not colon or not name or name != name.strip() or name.lower() in fields:
            raise Rejected(400)
        fields[name.lower()] = value.strip()
    return fields


def _length(method: str, fields: Mapping[str, str]) -> int:
    if "transfer-encoding" in fields:
        raise Rejected(411)
    text = fields.get("content-length", "0" if method != "POST" else "")
    if not text:
        raise Rejected(411)
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise Rejected(400)
    if int(text) > REQUEST_LIMIT:
        raise Rejected(413)
    return int(text)


def _written(response: Response, *, keep: bool) -> bytes:
    body = response.body.encode()
    head = (
        f"HTTP/1.1 {int(response.code)} {_REASONS[int(response.code)]}\r\n"
        f"Content-Type: {response.content_type}\r\n"
        f"Content-Length: {len(body)}\r\n"
        f"Connection: {'keep-alive' if keep else 'close'}\r\n\r\n"
    )
    return head.encode() + body
