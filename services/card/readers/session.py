"""A session with the card in a reader: its commands run in a thread of their own, one piece of work at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self, TypeVar

from services.card.apdu import Channel, Command, Response
from services.card.readers.worker import Worker
from services.card.refusals import CardMute, CardRemoved, ReaderGone, SessionEnded

T = TypeVar("T")


class Link(Protocol):
    """A blocking hold on one card; every method runs in the session's thread."""

    @property
    def atr(self) -> bytes:
        """The card's answer to reset."""
        ...

    def transmit(self, command: Command) -> Response:
        """Sends one command; refuses CARD_REMOVED, CARD_MUTE, READER_GONE."""
        ...

    def release(self) -> None:
        """Resets the card, so that nothing which was proved to it lasts, and lets it go; never raises."""
        ...


L = TypeVar("L", bound=Link)


async def open_link(worker: Worker, opening: Callable[[], L], seconds: float) -> L:
    """Opens a link in the worker's thread; one that is opened too late, for nobody, is let go at once.

    Raises TimeoutError after `seconds`, and what opening raises; the worker has ended then.
    """
    opened: list[L] = []

    def run() -> L:
        opened.append(opening())
        return opened[0]

    try:
        return await worker.call(run, seconds)
    except BaseException:
        worker.finish(lambda: [link.release() for link in opened])
        raise


class _Fenced:
    """The channel that work sees: it closes behind the session, so that late work cannot go on with the card."""

    def __init__(self, reader: str, link: Link) -> None:
        self._reader = reader
        self._link = link
        self.is_closed = False

    def transmit(self, command: Command) -> Response:
        if self.is_closed:
            raise SessionEnded("open another session with the card", reader=self._reader)
        response = self._link.transmit(command)
        if self.is_closed:
            raise CardRemoved("the card was taken out in the middle; open another session", reader=self._reader)
        return response


class ReaderSession:
    """Exclusive use of one card, from connecting to removal, time-out or closing, whichever comes first.

    When a piece of work meets a removed or mute card the session ends at once: what was under way gives no answer, and
    everything after is refused with CARD_SESSION_ENDED. Its methods belong to the event loop in which it was made.
    """

    def __init__(self, reader: str, link: Link, worker: Worker, seconds: float) -> None:
        self.reader = reader
        self.atr = link.atr
        self._link = link
        self._channel = _Fenced(reader, link)
        self._worker = worker
        self._seconds = seconds
        self._ended = asyncio.Event()
        self._released = asyncio.Event()
        self._turn = asyncio.Lock()
        self._loop = asyncio.get_running_loop()

    @property
    def is_open(self) -> bool:
        """Tells whether the session has not ended."""
        return not self._channel.is_closed

    async def ended(self) -> None:
        """Waits until the session has ended, for whatever reason."""
        await self._ended.wait()

    async def transmit(self, command: Command) -> Response:
        """Sends one command and returns the answer; refuses as `run` does."""
        return await self.run(lambda channel: channel.transmit(command))

    async def run(self, work: Callable[[Channel], T]) -> T:
        """Runs blocking `work`, several commands perhaps, on the card, alone, and returns what it returns.

        Refuses CARD_REMOVED, CARD_MUTE (also when the work takes too long), READER_GONE, CARD_SESSION_ENDED, and as the
        work does. Cancelling the caller ends the session, because half of the work may have been done.
        """
        async with self._turn:
            if not self.is_open:
                raise SessionEnded("open another session with the card", reader=self.reader)
            try:
                return await self._worker.call(lambda: work(self._channel), self._seconds)
            except TimeoutError:
                self.end()
                raise CardMute("take the card out and insert it again", reader=self.reader) from None
            except (CardRemoved, CardMute, ReaderGone, asyncio.CancelledError):
                self.end()
                raise

    def end(self) -> None:
        """Ends the session without waiting: the channel is closed now, the card is let go behind what is under way."""
        if self._channel.is_closed:
            return
        self._channel.is_closed = True
        self._ended.set()
        self._worker.finish(self._release)

    async def close(self) -> None:
        """Ends the session and waits, but no longer than for a piece of work, until the card is let go."""
        async with self._turn:
            self.end()
        try:
            await asyncio.wait_for(self._released.wait(), self._seconds)
        except TimeoutError:
            return

    def _release(self) -> None:
        self._link.release()
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._released.set)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
