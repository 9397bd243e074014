"""What every node of the network reads to know whom to trust: roots, revocation lists, suspensions, logs' keys."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from deploy.pki.files import PUBLIC_DIRECTORY, make_directory, write_atomic
from deploy.pki.refusals import KeyUnreadable

_SUSPENDED_HEADER = "# One SPIFFE id a line; every node refuses the calls of those named here.\n"


class TrustDirectory:
    """The public directory that is copied to every node."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._roots = path / "roots.crt"
        self._suspended = path / "suspended"
        self._log_keys = path / "logs.vkeys"
        self._witness_keys = path / "witnesses.vkeys"
        self._policies = path / "policies"

    def make(self) -> None:
        """Makes the directory and those of its files that start empty."""
        make_directory(self.path, PUBLIC_DIRECTORY)
        make_directory(self.path / "crl", PUBLIC_DIRECTORY)
        if not self._suspended.exists():
            write_atomic(self._suspended, _SUSPENDED_HEADER.encode())
        if not self._log_keys.exists():
            write_atomic(self._log_keys, b"")

    def revocation_list_path(self, authority: str) -> Path:
        """Returns where an authority's revocation list is published."""
        return self.path / "crl" / f"{authority}.crl"

    def roots(self) -> list[x509.Certificate]:
        """Reads the trusted roots; refuses PKI_KEY_UNREADABLE."""
        if not self._roots.exists():
            return []
        try:
            return x509.load_pem_x509_certificates(self._roots.read_bytes())
        except ValueError:
            raise KeyUnreadable("restore the trusted roots from their backup", file=self._roots.name) from None

    def add_root(self, root: x509.Certificate) -> None:
        """Trusts a root, beside those trusted already."""
        roots = self.roots()
        if root not in roots:
            pems = [each.public_bytes(Encoding.PEM) for each in [*roots, root]]
            write_atomic(self._roots, b"".join(pems))

    def add_log_key(self, verifier_key: str) -> None:
        """Publishes the verifier key of a node's audit log."""
        _add_lines(self._log_keys, [verifier_key])

    def add_witness_keys(self, verifier_keys: Iterable[str]) -> None:
        """Publishes the verifier keys of a witness."""
        _add_lines(self._witness_keys, verifier_keys)

    def write_policy(self, name: str, text: str) -> Path:
        """Publishes which witnesses a log needs, if it changed, and returns the file."""
        make_directory(self._policies, PUBLIC_DIRECTORY)
        path = self._policies / f"{name}.policy"
        if not path.exists() or path.read_text("ascii") != text:
            write_atomic(path, text.encode())
        return path

    def suspended(self) -> frozenset[str]:
        """Reads the SPIFFE ids that are suspended."""
        return frozenset(filter(None, map(_identity, self._suspended_lines())))

    def suspend(self, uri: str) -> bool:
        """Suspends a SPIFFE id; tells whether it was not suspended before."""
        if uri in self.suspended():
            return False
        self._write_suspended([*self._suspended_lines(), uri])
        return True

    def unsuspend(self, uri: str) -> bool:
        """Lifts the suspension of a SPIFFE id, leaving comments as they are; tells whether there was one."""
        if uri not in self.suspended():
            return False
        self._write_suspended([line for line in self._suspended_lines() if _identity(line) != uri])
        return True

    def _suspended_lines(self) -> list[str]:
        return self._suspended.read_text("utf-8").splitlines() if self._suspended.exists() else []

    def _write_suspended(self, lines: list[str]) -> None:
        write_atomic(self._suspended, "".join(f"{line}\n" for line in lines).encode())


def _add_lines(path: Path, added: Iterable[str]) -> None:
    lines = path.read_text("ascii").splitlines() if path.exists() else []
    missing = [line for line in added if line not in lines]
    if missing:
        write_atomic(path, "".join(f"{line}\n" for line in [*lines, *missing]).encode())


def _identity(line: str) -> str:
    return line.partition("#")[0].strip()
