"""Whom this node trusts: roots, revocation lists and suspensions, read again while it runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from services.foundation.clock import Clock, SystemClock
from services.foundation.identity import IdentityMalformed, NodeId, parse_spiffe_id
from services.foundation.rpc.files import Changed, Watched
from services.foundation.rpc.refusals import IssuerNotTrusted, TrustUnreadable
from services.foundation.rpc.revocation import RevocationLists
from services.foundation.settings import NodeConfig

_log = logging.getLogger(__name__)

WATCH_SECONDS = 0.25
"""How often the files are looked at; a suspension must act within a second."""


class TrustStore:
    """The trust directory as it was last read: `roots.crt`, `crl/*.crl`, `suspended`.

    A new file that cannot be used leaves the old data in force and is logged as an error. `generation` rises with
    every change, so that whoever remembers a decision can tell whether it still holds.
    """

    def __init__(
        self, directory: Path, root: str, *, require_fresh_lists: bool = False, clock: Clock | None = None
    ) -> None:
        self.root = root
        """Domain under which each authority's trust domain lies."""
        self.require_fresh_lists = require_fresh_lists
        """Whether a certificate is refused when its issuer has no list, or one past its next update."""
        self.generation = 0
        self.roots: tuple[x509.Certificate, ...] = ()
        self._lists = RevocationLists()
        self._suspended: frozenset[str] = frozenset()
        self._clock = clock or SystemClock()
        self._listeners: list[Callable[[], None]] = []
        self._overdue: list[str] = []
        self._roots_path, self._suspended_path = directory / "roots.crt", directory / "suspended"
        lists = directory / "crl"
        self._watched = Watched(lambda: (self._roots_path, self._suspended_path, *lists.glob("*.crl")))
        self.refresh()
        if not self.roots:
            raise TrustUnreadable("put the network's roots, PEM, into the trust directory", file=str(self._roots_path))

    @classmethod
    def for_node(cls, config: NodeConfig, clock: Clock | None = None) -> Self:
        """Returns the trust store that a node's settings describe."""
        return cls(config.trust, config.trust_domain_root, require_fresh_lists=config.require_fresh_lists, clock=clock)

    def refresh(self) -> None:
        """Reads the files that changed since the last time."""
        self._apply(self._watched.changes())

    async def watch(self) -> None:
        """Keeps the data as the files are, until cancelled; looking and reading are done aside, not on the loop."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            try:
                self._apply(await asyncio.to_thread(self._watched.changes))
                self._tell_overdue()
            except Exception:
                # Whatever it was, a node that stops looking would never learn of the next suspension.
                _log.exception("trust.watch_failed")

    def on_change(self, listener: Callable[[], None]) -> None:
        """Has `listener` called after every change, on the loop that watches."""
        self._listeners.append(listener)

    def is_suspended(self, node: NodeId) -> bool:
        """Tells whether the node is suspended by name."""
        return node.uri in self._suspended

    def is_revoked(self, issuer: x509.Name, serial: int) -> bool:
        """Tells whether the issuer revoked the serial."""
        return self._lists.is_revoked(issuer, serial)

    def is_fresh(self, issuer: x509.Name) -> bool:
        """Tells whether the issuer's revocation list is there and not past its next update."""
        return self._lists.is_fresh(issuer, self._clock.now())

    def overdue_lists(self) -> list[str]:
        """Names the issuers whose revocation list is past its next update; it stays in force."""
        return self._lists.overdue(self._clock.now())

    def issuer_of(self, leaf: x509.Certificate, chain: Iterable[x509.Certificate]) -> x509.Certificate:
        """Finds in `chain` the authority that issued `leaf` and that a root vouches for; refuses ISSUER_NOT_TRUSTED."""
        for candidate in chain:
            if _issued(candidate, leaf) and _is_authority(candidate):
                root = next((each for each in self.roots if _issued(each, candidate)), None)
                if root is not None:
                    self._lists.learn(root)
                    self._lists.learn(candidate)
                    return candidate
        raise IssuerNotTrusted("present a certificate, with its chain, from an authority of this network")

    def _apply(self, changes: list[Changed]) -> None:
        if not changes:
            return
        for changed in changes:
            if changed.content is None:
                # At the start a list may be missing; later a file that went away leaves what it said in force.
                _log.error("trust.file_missing", extra={"file": str(changed.path)})
            elif changed.path == self._roots_path:
                self._read_roots(changed.content)
            elif changed.path == self._suspended_path:
                self._read_suspended(changed.content)
            else:
                self._lists.offer(str(changed.path), changed.content)
        self.generation += 1
        for listener in self._listeners:
            listener()

    def _read_roots(self, content: bytes) -> None:
        try:
            roots = tuple(x509.load_pem_x509_certificates(content))
        except ValueError:
            _log.error("trust.roots_unreadable", extra={"file": str(self._roots_path)})
            return
        self.roots = roots
        self._lists.forget_issuers()
        for root in roots:
            self._lists.learn(root)
        _log.info("trust.roots_read", extra={"count": len(roots)})

    def _read_suspended(self, content: bytes) -> None:
        """Takes the names in the file; where a line cannot be read, those suspended before stay so too."""
        suspended, intact = set(), True
        for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), start=1):
            uri = line.partition("#")[0].strip()
            if not uri:
                continue
            try:
                suspended.add(parse_spiffe_id(uri, self.root).uri)
            except IdentityMalformed:
                intact = False
                _log.error("trust.suspension_unreadable", extra={"line": number})
        self._suspended = frozenset(suspended) if intact else self._suspended | suspended
        _log.info("trust.suspensions_read", extra={"count": len(self._suspended)})

    def _tell_overdue(self) -> None:
        overdue = self.overdue_lists()
        for issuer in set(overdue).difference(self._overdue):
            _log.warning("trust.revocation_list_overdue", extra={"issuer": issuer})
        self._overdue = overdue


def _issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        return constraints.ca and certificate.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    except (x509.ExtensionNotFound, ValueError):
        return False
