"""The key and certificate with which a node speaks TLS, read again when they are replaced."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import grpc
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from services.foundation.rpc.refusals import CredentialsUnreadable

_log = logging.getLogger(__name__)

_ATTEMPTS = 5
_PAUSE_SECONDS = 0.02
"""A rotation replaces key and certificate with one rename; a reader between its two reads only tries again."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """A key, its certificate with chain, and the roots to verify others with; all PEM."""

    key: bytes = field(repr=False)
    chain: bytes
    roots: bytes

    def certificates(self) -> list[x509.Certificate]:
        """Returns the leaf and its chain."""
        return x509.load_pem_x509_certificates(self.chain)

    def expires_at(self) -> datetime:
        """Returns when the leaf expires."""
        return self.certificates()[0].not_valid_after_utc


class CredentialSource:
    """Reads `tls.key` and `tls.crt` in the key directory and `roots.crt` in the trust directory.

    New files that cannot be used leave the old ones in force and are logged as an error.
    """

    def __init__(self, keys: Path, trust: Path) -> None:
        self._paths = (keys / "tls.key", keys / "tls.crt", trust / "roots.crt")
        self._lock = threading.Lock()
        self._present, self._signature = self._read()

    def current(self) -> Credentials:
        """Returns what the files hold now; another object than before exactly when they changed."""
        # gRPC asks from a thread of its own, at each handshake.
        with self._lock:
            if self._signed() != self._signature:
                self._replace()
            return self._present

    def _replace(self) -> None:
        try:
            self._present, self._signature = self._read()
        except CredentialsUnreadable as refusal:
            self._signature = self._signed()
            _log.error("credentials.unreadable", extra=refusal.facts)
        else:
            _log.info("credentials.replaced", extra={"file": str(self._paths[1])})

    def _read(self) -> tuple[Credentials, tuple[object, ...]]:
        """Reads the files until key and certificate belong together; refuses CREDENTIALS_UNREADABLE."""
        for attempt in range(_ATTEMPTS):
            signature = self._signed()
            try:
                key, chain, roots = (path.read_bytes() for path in self._paths)
                if _matches(key, chain) and x509.load_pem_x509_certificates(roots):
                    return Credentials(key, chain, roots), signature
            except (OSError, ValueError, TypeError):
                pass
            if attempt + 1 < _ATTEMPTS:
                time.sleep(_PAUSE_SECONDS)
        raise CredentialsUnreadable(
            "restore a key and a certificate that belong together, and the roots", file=str(self._paths[1])
        )

    def _signed(self) -> tuple[object, ...]:
        """Returns what changes when a file is replaced, whether directly or by a link on the way to it."""
        signature: list[object] = []
        for path in self._paths:
            try:
                facts = path.stat()
            except OSError:
                signature.append(None)
            else:
                signature.append((facts.st_mtime_ns, facts.st_size, facts.st_ino))
        return tuple(signature)


def server_credentials(source: CredentialSource) -> grpc.ServerCredentials:
    """Returns credentials that demand a client certificate and take up new files at the next handshake."""
    served = source.current()

    def fetch() -> grpc.ServerCertificateConfiguration | None:
        nonlocal served
        current = source.current()
        if current is served:
            return None
        served = current
        return _configuration(current)

    return grpc.dynamic_ssl_server_credentials(
        _configuration(served),
        fetch,  # type: ignore[arg-type] # the stubs leave out that None stands for no change
        require_client_authentication=True,
    )


def channel_credentials(credentials: Credentials) -> grpc.ChannelCredentials:
    """Returns credentials for channels that show the node's certificate."""
    return grpc.ssl_channel_credentials(credentials.roots, credentials.key, credentials.chain)


def _configuration(credentials: Credentials) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(credentials.key, credentials.chain)], credentials.roots)


def _matches(key: bytes, chain: bytes) -> bool:
    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    mine = load_pem_private_key(key, password=None).public_key().public_bytes(*form)
    return x509.load_pem_x509_certificates(chain)[0].public_key().public_bytes(*form) == mine
