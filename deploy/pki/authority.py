"""The ceremony as a library: what a supervisor or a command may ask of the network's keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from deploy.pki import profiles
from deploy.pki.administrators import ensure_administrators
from deploy.pki.crl import parse_reason
from deploy.pki.files import PUBLIC_DIRECTORY, locked, make_directory, sweep, write_atomic
from deploy.pki.issuing import Authority, Root
from deploy.pki.node_keys import KeyDirectory
from deploy.pki.refusals import AuthorityUnknown, NodeUnissued, StateAbsent
from deploy.pki.register import hexadecimal
from deploy.pki.settings import CeremonySettings, load_settings
from deploy.pki.transcript import Entry, Transcript
from deploy.pki.trust import TrustDirectory
from deploy.pki.witnesses import Assigned, ensure_witness_keys, policy_text
from services.foundation.audit.note import NoteSigner
from services.foundation.clock import Clock, SystemClock
from services.foundation.identity import SERVING, IdentityMalformed, NodeId, Tier, log_origin, node_id, parse_spiffe_id
from services.foundation.witness.keys import witness_name

__all__ = ["CeremonySettings", "Held", "Pki", "load_settings"]

_LONGEST_NAME = 64
"""RFC 5280 appendix A: the upper bound of a common name."""


@dataclass(frozen=True, slots=True)
class Held:
    """A certificate that a node holds at present."""

    node: str
    kind: str
    """`tls`, `signing`, or `terminal` for what a card node shows to cards."""
    serial: str
    ends_at: datetime
    revoked: bool
    suspended: bool


class Pki:
    """The keys of one network, in one state directory; every method leaves it whole, also when killed half way."""

    def __init__(
        self, state: Path, settings: CeremonySettings, clock: Clock | None = None, *, patience: float = 10.0
    ) -> None:
        """Takes the state directory, which `init` makes, and the seconds to wait for another ceremony in it."""
        self.state = state
        self.settings = settings
        self.trust = TrustDirectory(state / "trust")
        self._clock = clock or SystemClock()
        self._patience = patience
        self._root = Root(state / "offline", self.trust, settings)

    def init(self) -> Transcript:
        """Makes the root, the issuing authorities and the trust directory, or what is missing of them.

        Never overwrites a key. Refuses PKI_SETTINGS_DIFFER, PKI_KEY_UNREADABLE, PKI_ROOT_KEY_ABSENT, PKI_STATE_BUSY.
        """
        make_directory(self.state, PUBLIC_DIRECTORY)
        with self._locked() as now:
            self._refuse_orphans()
            self.trust.make()
            made = ["root"] if self._root.ensure(now) else []
            authorities = [self._authority(label) for label in self.settings.authorities]
            made += [each.label for each in authorities if each.ensure(self._root, now)]
            for authority in authorities:
                authority.publish(now)
            return self._record(authorities, tuple(made))

    def administrators(self) -> list[NoteSigner]:
        """Makes the administrators of a development network, who sign orders, and publishes their keys."""
        with self._locked():
            return ensure_administrators(self.state / "administrators", self.trust.path, self.settings.trust_domain)

    def issue(self, name: str) -> Path:
        """Gives a node what its key directory lacks and returns the directory.

        What is there stays, except a TLS certificate within its renewal window, which is replaced with its key, and a
        signing certificate near its end, which is replaced for the same key. A revoked certificate stays: only `rotate`
        ends a revocation. Refuses IDENTITY_MALFORMED, PKI_AUTHORITY_UNKNOWN, PKI_STATE_ABSENT, PKI_STATE_BUSY.
        """
        node, authority = self._vouched(name)
        with self._locked() as now:
            authority.issuer()
            keys = self._keys(node)
            keys.make()
            if node.tier in SERVING:
                self._complete_server(node, authority, keys, now)
            if node.tier in SERVING or node.tier is Tier.AUDITOR:
                name = witness_name(node, self.settings.trust_domain)
                self.trust.add_witness_keys(ensure_witness_keys(keys.path, name))
            held = keys.tls_certificate()
            if held is None or (self._is_due(held, self.settings.tls_renewal) and not _is_revoked(held, authority)):
                self._install(node, authority, keys, now)
            if node.tier is Tier.CARD:
                self._complete_terminal(node, authority, keys, now)
            keys.link_pairs()
            authority.publish(now)
            return keys.path

    def assign(self, name: str, witnesses: Mapping[str, str]) -> Path:
        """Writes which witnesses a node's log needs and returns the policy: more than half of those named.

        `witnesses` maps short names to addresses: of a node its SPIFFE id, of a witness that runs alone its HTTP
        prefix. All must have been issued. Refuses PKI_NODE_UNISSUED.
        """
        node = self._node(name)
        with self._locked():
            for one in (name, *witnesses):
                if self._keys(self._node(one)).tls_certificate() is None:
                    raise NodeUnissued("issue the node's first certificate before its log is witnessed", node=one)
            assigned = [Assigned(one, self._keys(self._node(one)).path, url) for one, url in witnesses.items()]
            vkey = self._keys(node).log_verifier_key(log_origin(node, self.settings.trust_domain))
            return self.trust.write_policy(f"{node.tier.value}-{node.code}", policy_text(vkey, assigned))

    def rotate(self, name: str) -> Path:
        """Replaces a node's TLS key and certificate and returns its key directory; refuses PKI_NODE_UNISSUED.

        A card node's pair for cards is replaced with them. The former certificates stay good until they end, so that
        nothing fails while readers catch up.
        """
        node, authority = self._vouched(name)
        with self._locked() as now:
            keys = self._keys(node)
            if keys.tls_certificate() is None:
                raise NodeUnissued("issue the node's first certificate instead", node=node.name)
            self._install(node, authority, keys, now)
            if node.tier is Tier.CARD:
                self._install_terminal(node, authority, keys, now)
            authority.publish(now)
            return keys.path

    def rotate_due(self, within: timedelta) -> list[str]:
        """Rotates every node whose TLS certificate ends within a span and is not revoked; returns their names."""
        limit = self._clock.now() + within
        due = [held.node for held in self.held() if held.kind == "tls" and not held.revoked and held.ends_at <= limit]
        for name in due:
            self.rotate(name)
        return due

    def revoke(self, name: str, reason: str = "unspecified", *, signing: bool = False) -> tuple[str, ...]:
        """Revokes a node's TLS certificates that have not ended, with `signing` those of its signing key too.

        Returns their serials. Refuses PKI_NODE_UNISSUED and PKI_REASON_UNKNOWN.
        """
        node, authority = self._vouched(name)
        given = parse_reason(reason)
        kinds = ("tls", "signing") if signing else ("tls",)
        with self._locked() as now:
            return authority.revoke(node, given, now, kinds)

    def suspend(self, name: str) -> bool:
        """Names a node in the list of those that every node refuses; tells whether it was not there."""
        node = self._node(name)
        with self._locked():
            self.trust.make()
            return self.trust.suspend(node.uri)

    def unsuspend(self, name: str) -> bool:
        """Takes a node off that list; tells whether it was there."""
        node = self._node(name)
        with self._locked():
            return self.trust.unsuspend(node.uri)

    def refresh_crls(self) -> None:
        """Signs and publishes a new revocation list for every authority, with the next number."""
        with self._locked() as now:
            for label in self.settings.authorities:
                self._authority(label).publish(now, anew=True)

    def nodes(self) -> list[str]:
        """Names the nodes that have a key directory here, in order."""
        directories = (path.name for path in (self.state / "nodes").glob("*-*") if path.is_dir())
        return sorted(name.replace("-", "/", 1) for name in directories)

    def held(self) -> list[Held]:
        """Reads the certificates that nodes hold at present."""
        return [held for name in self.nodes() for held in self._held_by(name)]

    def transcript(self) -> Transcript:
        """Reads the root and the authorities that exist; refuses PKI_STATE_ABSENT before `init`."""
        return self._transcript([self._authority(label) for label in self.settings.authorities], ())

    def _held_by(self, name: str) -> Iterator[Held]:
        node, authority = self._vouched(name)
        keys, suspended = self._keys(node), node.uri in self.trust.suspended()
        kinds = {
            "tls": keys.tls_certificate(),
            "signing": keys.signing_certificate(),
            "terminal": keys.terminal_certificate(),
        }
        for kind, certificate in kinds.items():
            if certificate is not None:
                serial, ends_at = hexadecimal(certificate.serial_number), certificate.not_valid_after_utc
                yield Held(name, kind, serial, ends_at, _is_revoked(certificate, authority), suspended)

    def _complete_server(self, node: NodeId, authority: Authority, keys: KeyDirectory, now: datetime) -> None:
        public = keys.signing_key().public_key()
        held = keys.signing_certificate()
        if held is None or (self._is_due(held, self.settings.recertify) and not _is_revoked(held, authority)):
            leaf = authority.sign(node, "signing", profiles.signing(self.settings, node), public, now)
            keys.install_signing(leaf, authority.certificate())
        keys.ensure_salt_key()
        self.trust.add_log_key(keys.log_verifier_key(log_origin(node, self.settings.trust_domain)))

    def _install(self, node: NodeId, authority: Authority, keys: KeyDirectory, now: datetime) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = authority.sign(node, "tls", profiles.tls(self.settings, node), key.public_key(), now)
        keys.install_tls(key, leaf, authority.certificate())

    def _complete_terminal(self, node: NodeId, authority: Authority, keys: KeyDirectory, now: datetime) -> None:
        held = keys.terminal_certificate()
        if held is None or self._is_due(held, self.settings.tls_renewal):
            self._install_terminal(node, authority, keys, now)

    def _install_terminal(self, node: NodeId, authority: Authority, keys: KeyDirectory, now: datetime) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = authority.sign(node, "terminal", profiles.terminal(self.settings, node), key.public_key(), now)
        keys.install_terminal(key, leaf, authority.certificate())

    def _is_due(self, certificate: x509.Certificate, window: timedelta) -> bool:
        return certificate.not_valid_after_utc - self._clock.now() <= window

    def _record(self, authorities: list[Authority], made: tuple[str, ...]) -> Transcript:
        transcript = self._transcript(authorities, made)
        path, text = self.state / "transcript.txt", transcript.text().encode()
        if not path.exists() or path.read_bytes() != text:
            write_atomic(path, text)
        return transcript

    def _transcript(self, authorities: list[Authority], made: tuple[str, ...]) -> Transcript:
        root = self._root.certificate()
        if root is None:
            raise StateAbsent("run `init` first: there is no root yet", state=str(self.state))
        entries = (Entry("root", root), *(Entry(each.label, each.certificate()) for each in authorities))
        return Transcript(self.settings.trust_domain, entries, made)

    def _refuse_orphans(self) -> None:
        # Without this, losing the root and running again would found a second network over the same authorities.
        away = self._root.certificate() is None and not self._root.is_present()
        if away and next((self.state / "authorities").glob("*/issuing.crt"), None) is not None:
            raise StateAbsent(
                "restore offline/root.crt or trust/roots.crt: authorities exist, but no root", file="root.crt"
            )

    def _vouched(self, name: str) -> tuple[NodeId, Authority]:
        node = self._node(name)
        label = node.trust_domain.removesuffix(f".{self.settings.trust_domain}")
        if label not in self.settings.authorities:
            raise AuthorityUnknown("add the authority to the settings and run `init`", authority=label, node=node.name)
        return node, self._authority(label)

    def _node(self, name: str) -> NodeId:
        # The round trip holds the code to its alphabet, so that a name can never lead out of the state directory.
        root = self.settings.trust_domain
        try:
            node = parse_spiffe_id(node_id(name, root).uri, root)
        except IdentityMalformed:
            raise IdentityMalformed("name the node as <tier>/<code>, for example municipal/131016", name=name) from None
        if len(node.name) > _LONGEST_NAME:
            raise IdentityMalformed(f"give a name of at most {_LONGEST_NAME} characters", name=name)
        return node

    def _authority(self, label: str) -> Authority:
        return Authority(label, self.state / "authorities" / label, self.trust, self.settings)

    def _keys(self, node: NodeId) -> KeyDirectory:
        return KeyDirectory(self.state / "nodes" / f"{node.tier.value}-{node.code}")

    @contextmanager
    def _locked(self) -> Iterator[datetime]:
        if not self.state.is_dir():
            raise StateAbsent("run `init` first: the state directory is not there", state=str(self.state))
        with locked(self.state / ".lock", self._patience):
            sweep(self.state)
            yield self._clock.now().replace(microsecond=0)


def _is_revoked(certificate: x509.Certificate, authority: Authority) -> bool:
    return authority.revocations().covers(hexadecimal(certificate.serial_number))
