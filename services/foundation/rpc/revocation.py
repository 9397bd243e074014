"""What authorities have revoked: their lists (RFC 5280 §5), each believed only with its issuer's signature."""

from __future__ import annotations

import logging
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

_log = logging.getLogger(__name__)


class RevocationLists:
    """The newest believed list of each issuer.

    A list is offered when its file is read and believed when a trusted certificate of its issuer is known, which may
    be later: issuing certificates come with the chains that peers present. A list that is not believed changes
    nothing, so a broken or forged file leaves what was known before.
    """

    def __init__(self) -> None:
        self._believed: dict[x509.Name, x509.CertificateRevocationList] = {}
        self._offered: dict[x509.Name, dict[str, x509.CertificateRevocationList]] = {}
        self._issuers: dict[x509.Name, list[x509.Certificate]] = {}

    def offer(self, file: str, content: bytes) -> None:
        """Takes a file's content, PEM; logs and forgets one that is no revocation list."""
        try:
            revocation_list = x509.load_pem_x509_crl(content)
            issuer = revocation_list.issuer
        except ValueError:
            _log.error("trust.revocation_list_unreadable", extra={"file": file})
            return
        if issuer in self._issuers:
            self._believe(file, revocation_list)
        else:
            self._offered.setdefault(issuer, {})[file] = revocation_list

    def learn(self, issuer: x509.Certificate) -> None:
        """Takes a certificate whose chain was verified, and decides about the lists that waited for it."""
        known = self._issuers.setdefault(issuer.subject, [])
        if issuer in known:
            return
        known.append(issuer)
        for file, revocation_list in self._offered.pop(issuer.subject, {}).items():
            self._believe(file, revocation_list)

    def forget_issuers(self) -> None:
        """Forgets who may sign, since the roots changed; the lists believed so far stay in force."""
        self._issuers.clear()

    def is_revoked(self, issuer: x509.Name, serial: int) -> bool:
        """Tells whether the issuer's believed list has the serial."""
        revocation_list = self._believed.get(issuer)
        return (
            revocation_list is not None and revocation_list.get_revoked_certificate_by_serial_number(serial) is not None
        )

    def is_fresh(self, issuer: x509.Name, now: datetime) -> bool:
        """Tells whether there is a believed list of the issuer and its next one is not overdue."""
        revocation_list = self._believed.get(issuer)
        return revocation_list is not None and not _is_overdue(revocation_list, now)

    def overdue(self, now: datetime) -> list[str]:
        """Names the issuers whose next list is overdue."""
        return sorted(issuer.rfc4514_string() for issuer, each in self._believed.items() if _is_overdue(each, now))

    def _believe(self, file: str, revocation_list: x509.CertificateRevocationList) -> None:
        issuer = revocation_list.issuer
        facts = {"file": file, "issuer": issuer.rfc4514_string()}
        if not any(_signed_by(revocation_list, each) for each in self._issuers[issuer]):
            _log.error("trust.revocation_list_forged", extra=facts)
            return
        present = self._believed.get(issuer)
        # An older list, put back, would un-revoke what came after it.
        if present is not None and revocation_list.last_update_utc < present.last_update_utc:
            _log.error("trust.revocation_list_older", extra=facts)
            return
        self._believed[issuer] = revocation_list
        _log.info("trust.revocation_list_read", extra=facts)


def _signed_by(revocation_list: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    try:
        if not issuer.extensions.get_extension_for_class(x509.KeyUsage).value.crl_sign:
            return False
        return revocation_list.is_signature_valid(issuer.public_key())  # type: ignore[arg-type] # others raise TypeError
    except (x509.ExtensionNotFound, TypeError, UnsupportedAlgorithm):
        return False


def _is_overdue(revocation_list: x509.CertificateRevocationList, now: datetime) -> bool:
    next_update = revocation_list.next_update_utc
    return next_update is not None and next_update < now
