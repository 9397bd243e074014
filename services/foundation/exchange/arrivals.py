"""How the envelopes of a call are opened and verified, before anything is locked."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from services.foundation.exchange.envelope import Opened, open_envelope, verify
from services.foundation.exchange.inbox_store import InboxRow
from services.foundation.exchange.messages import Delivery, LineOf
from services.foundation.exchange.refusals import (
    UNTRUSTED,
    BatchTooLarge,
    EnvelopeMalformed,
    SenderMismatch,
    SignerUnknown,
)
from services.foundation.exchange.signers import Signers, SignerStore
from services.foundation.identity import NodeId, node_id
from services.foundation.refusals import Refusal

BATCH_LIMIT = 500
"""Most envelopes in one call."""

_VERIFIED_AT_ONCE = 32  # about three milliseconds, after which other calls get their turn


@dataclass(frozen=True, slots=True)
class Parcel:
    """A delivery, opened and not yet verified; `inner` is what it relays, or why that is no envelope."""

    outer: Opened
    inner: Opened | Refusal | None
    traceparent: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """An envelope whose outer signature is the sender's.

    `origin` is the innermost envelope. `fault` says why it cannot be applied whatever the state: then the sender is
    bound by the envelope all the same, so it takes its place in the stream, and is quarantined.
    """

    outer: Opened
    origin: Opened
    line: str
    fault: Refusal | None
    traceparent: str


class Gatekeeper:
    """Opens and verifies what a peer delivers."""

    def __init__(self, signers: Signers, line_of: LineOf) -> None:
        self.signers = signers
        self._line_of = line_of

    async def admit(self, sender: NodeId, parcels: Sequence[Parcel]) -> list[Arrival]:
        """Returns the arrivals in order.

        Refuses the call with SENDER_MISMATCH, SIGNER_UNKNOWN or SIGNATURE_INVALID where an outer envelope is not the
        sender's own, and with SIGNER_UNKNOWN where the signer of a relayed one was never introduced.
        """
        arrivals = []
        for number, parcel in enumerate(parcels, start=1):
            arrivals.append(self._admit(sender, parcel))
            if number % _VERIFIED_AT_ONCE == 0:
                await asyncio.sleep(0)
        return arrivals

    async def reopen(self, store: SignerStore, row: InboxRow) -> Arrival:
        """Returns the arrival of an envelope that was kept, its relayed envelope verified anew, its line as it was.

        A certificate that has ended since it came does not matter, if it counted then.
        """
        parcel = _open(Delivery(row.envelope, row.traceparent))
        await self.signers.introduce(store, signer_hashes([parcel]), ())
        sender = node_id(row.sender, self.signers.trust_domain_root)
        if isinstance(parcel.inner, Refusal):
            arrival = Arrival(parcel.outer, parcel.outer, "", parcel.inner, row.traceparent)
        elif parcel.inner is None:
            arrival = self._arrival(parcel.outer, parcel.outer, None, row.traceparent)
        else:
            fault = self._fault(sender, parcel.inner, received=row.reason not in UNTRUSTED)
            arrival = self._arrival(parcel.outer, parcel.inner, fault, row.traceparent)
        return replace(arrival, line=row.line)

    def _admit(self, sender: NodeId, parcel: Parcel) -> Arrival:
        outer, inner, traceparent = parcel.outer, parcel.inner, parcel.traceparent
        if outer.sender != sender.name:
            raise SenderMismatch("deliver your own stream only", sender=outer.sender, peer=sender.name)
        self._verify(outer, sender)
        if inner is None:
            return self._arrival(outer, outer, None, traceparent)
        if isinstance(inner, Refusal):
            return Arrival(outer, outer, "", inner, traceparent)
        if not self.signers.knows(inner.signer_hash):
            raise SignerUnknown(
                "send the signing certificate and its issuer's with the call", signer=inner.signer_hash.hex()
            )
        return self._arrival(outer, inner, self._fault(sender, inner), traceparent)

    def _fault(self, sender: NodeId, inner: Opened, *, received: bool = False) -> Refusal | None:
        """Returns why a relayed envelope cannot be trusted, or None."""
        try:
            self._verify(inner, sender, received=received)
        except Refusal as refusal:
            return refusal
        return None

    def _verify(self, opened: Opened, relay: NodeId, *, received: bool = False) -> None:
        signer = self.signers.signer(opened.signer_hash, received=received)
        # A node passes on what its own authority vouches for: a prefecture cannot speak for another's municipality.
        if signer.node.trust_domain != relay.trust_domain:
            raise SenderMismatch("relay your own municipalities only", sender=opened.sender, peer=relay.name)
        verify(opened, signer.node.name, signer.key)

    def _arrival(self, outer: Opened, origin: Opened, fault: Refusal | None, traceparent: str) -> Arrival:
        try:
            line = self._line_of(origin)
        except Refusal as refusal:
            return Arrival(outer, origin, "", fault or refusal, traceparent)
        return Arrival(outer, origin, line, fault, traceparent)


def open_all(deliveries: Sequence[Delivery]) -> list[Parcel]:
    """Opens outer and inner envelopes; refuses BATCH_TOO_LARGE, and ENVELOPE_MALFORMED for an outer one."""
    if len(deliveries) > BATCH_LIMIT:
        raise BatchTooLarge("send at most 500 envelopes a call", most=BATCH_LIMIT)
    return [_open(delivery) for delivery in deliveries]


def signer_hashes(parcels: Sequence[Parcel]) -> set[bytes]:
    """Returns the hashes of all certificates by which these envelopes, and those inside, are signed."""
    hashes = {parcel.outer.signer_hash for parcel in parcels}
    return hashes | {parcel.inner.signer_hash for parcel in parcels if isinstance(parcel.inner, Opened)}


def _open(delivery: Delivery) -> Parcel:
    outer = open_envelope(delivery.envelope)
    return Parcel(outer, _open_relayed(outer), delivery.traceparent)


def _open_relayed(outer: Opened) -> Opened | Refusal | None:
    if outer.relayed is None:
        return None
    try:
        inner = open_envelope(outer.relayed)
    except EnvelopeMalformed as refusal:
        return refusal
    if inner.relayed is not None:
        return EnvelopeMalformed("relay an envelope once", fault="relayed")
    return inner
