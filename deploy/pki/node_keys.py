"""What a node's key directory holds, and how its TLS pair is replaced under the eyes of its readers."""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from deploy.pki.certificates import load_certificate, load_ed25519_key, require_pair, write_certificates, write_key
from deploy.pki.files import PRIVATE_DIRECTORY, PUBLIC, make_directory, point, sync_directory, write_atomic, write_once
from deploy.pki.refusals import KeyUnreadable
from deploy.pki.register import hexadecimal
from services.foundation.audit.note import NoteSigner


class KeyDirectory:
    """The keys of one node.

    The TLS pair lives in `tls-<serial>/`; `tls` is a link to the present one, and `tls.key` and `tls.crt` are links
    through `tls`. One rename of `tls` therefore replaces both files at once. A reader that opened one file before and
    the other after sees a key and a certificate that do not belong together, and reads again. A card node's `terminal`
    pair, by which it proves itself to cards, lies and changes in the same way.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._signing_certificate_path = path / "signing.crt"

    def make(self) -> None:
        """Makes the directory, readable by its owner alone."""
        make_directory(self.path, PRIVATE_DIRECTORY)

    def tls_certificate(self) -> x509.Certificate | None:
        """Reads the present TLS certificate; None before the first."""
        return self._present_certificate("tls")

    def terminal_certificate(self) -> x509.Certificate | None:
        """Reads the present certificate for cards; None before the first, and for nodes that speak to no card."""
        return self._present_certificate("terminal")

    def install_tls(self, key: ec.EllipticCurvePrivateKey, leaf: x509.Certificate, issuer: x509.Certificate) -> None:
        """Puts a new TLS pair in place of the present one; readers see the old pair or the new one."""
        self._install("tls", key, leaf, issuer)

    def install_terminal(
        self, key: ec.EllipticCurvePrivateKey, leaf: x509.Certificate, issuer: x509.Certificate
    ) -> None:
        """Puts a new pair for cards in place of the present one; readers see the old pair or the new one."""
        self._install("terminal", key, leaf, issuer)

    def link_pairs(self) -> None:
        """Lets `tls.key` and the others lead through the links, also where an earlier run died before it."""
        for pair in ("tls", "terminal"):
            if (self.path / pair).is_symlink():
                self._link(pair)

    def signing_key(self) -> ed25519.Ed25519PrivateKey:
        """Reads the key that signs events, making it the first time."""
        return _key(self.path / "signing.key")

    def signing_certificate(self) -> x509.Certificate | None:
        """Reads the certificate of the signing key; None before the first."""
        path = self._signing_certificate_path
        return load_certificate(path) if path.exists() else None

    def install_signing(self, leaf: x509.Certificate, issuer: x509.Certificate) -> None:
        """Writes the certificate of the signing key with its issuer; refuses PKI_KEY_UNREADABLE for another's."""
        require_pair(self.signing_key(), leaf, self._signing_certificate_path)
        write_certificates(self._signing_certificate_path, leaf, issuer)

    def log_verifier_key(self, origin: str) -> str:
        """Returns the verifier key of the audit log, making the key and `log.vkey` the first time."""
        text = NoteSigner(origin, _key(self.path / "log.key")).vkey
        path = self.path / "log.vkey"
        if not path.exists():
            write_atomic(path, f"{text}\n".encode(), PUBLIC)
        elif path.read_text("ascii") != f"{text}\n":
            raise KeyUnreadable("restore the log key and verifier key that belong together", file=path.name)
        return text

    def ensure_salt_key(self) -> None:
        """Draws the node's 32-byte salt key, stored as hexadecimal, the first time."""
        path = self.path / "salt.key"
        if not path.exists():
            write_once(path, f"{secrets.token_hex(32)}\n".encode())

    def _present_certificate(self, pair: str) -> x509.Certificate | None:
        path = self.path / pair / f"{pair}.crt"
        return load_certificate(path) if path.exists() else None

    def _install(
        self, pair: str, key: ec.EllipticCurvePrivateKey, leaf: x509.Certificate, issuer: x509.Certificate
    ) -> None:
        version = self.path / f"{pair}-{hexadecimal(leaf.serial_number)}"
        make_directory(version, PRIVATE_DIRECTORY)
        write_key(version / f"{pair}.key", key)
        write_certificates(version / f"{pair}.crt", leaf, issuer)
        sync_directory(self.path)
        previous = self._present_version(pair)
        # Dying before this line leaves the old pair and a directory that nobody reads, removed by the next rotation.
        point(self.path / pair, version.name)
        self._link(pair)
        self._prune(pair, {version.name, previous})

    def _link(self, pair: str) -> None:
        for name in (f"{pair}.key", f"{pair}.crt"):
            if not (self.path / name).is_symlink():
                point(self.path / name, f"{pair}/{name}")

    def _present_version(self, pair: str) -> str:
        link = self.path / pair
        return link.readlink().name if link.is_symlink() else ""

    def _prune(self, pair: str, kept: set[str]) -> None:
        # The previous pair stays for a reader that has resolved the link and not yet opened the files behind it.
        for version in self.path.glob(f"{pair}-*"):
            if version.name not in kept:
                shutil.rmtree(version)


def _key(path: Path) -> ed25519.Ed25519PrivateKey:
    if path.exists():
        return load_ed25519_key(path)
    key = ed25519.Ed25519PrivateKey.generate()
    write_key(path, key)
    return key
