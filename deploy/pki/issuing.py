"""Who may sign: the root, and the issuing authority of each trust domain under it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from deploy.pki import profiles
from deploy.pki.certificates import (
    Issuer,
    PublicKey,
    certify,
    load_certificate,
    load_elliptic_key,
    new_serial,
    require_pair,
    self_sign,
    write_certificates,
    write_key,
)
from deploy.pki.crl import (
    Revocation,
    Revocations,
    load_list,
    load_revocations,
    publish_list,
    sign_list,
    write_revocations,
)
from deploy.pki.files import PRIVATE_DIRECTORY, make_directory
from deploy.pki.profiles import Profile
from deploy.pki.refusals import NodeUnissued, RootKeyAbsent, SettingsDiffer, StateAbsent
from deploy.pki.register import Issued, Register, hexadecimal
from deploy.pki.settings import CeremonySettings
from deploy.pki.trust import TrustDirectory
from services.foundation.identity import NodeId


class Root:
    """The root of the network; in a deployment its directory is away except during a ceremony."""

    def __init__(self, directory: Path, trust: TrustDirectory, settings: CeremonySettings) -> None:
        self._directory = directory
        self._key_path = directory / "root.key"
        self._certificate_path = directory / "root.crt"
        self._trust = trust
        self._profile = profiles.root(settings)

    def ensure(self, now: datetime) -> bool:
        """Makes whatever the root lacks and publishes it; tells whether it made something.

        Refuses PKI_SETTINGS_DIFFER and PKI_KEY_UNREADABLE if what is there is not this network's root.
        """
        certificate = self.certificate()
        made = certificate is None
        if certificate is None:
            certificate = self._make(now)
        if not self._profile.describes(certificate):
            raise SettingsDiffer("use these settings with a state directory of their own", file="root.crt")
        if self._key_path.exists():
            require_pair(load_elliptic_key(self._key_path), certificate, self._certificate_path)
        self._trust.add_root(certificate)
        return made

    def certificate(self) -> x509.Certificate | None:
        """Reads the root's certificate, from the trust directory if the root itself is away."""
        if self._certificate_path.exists():
            return load_certificate(self._certificate_path)
        return next((root for root in self._trust.roots() if root.subject == self._profile.subject), None)

    def issuer(self) -> Issuer:
        """Reads the root for signing; refuses PKI_ROOT_KEY_ABSENT."""
        certificate = self.certificate()
        if certificate is None or not self.is_present():
            raise RootKeyAbsent("bring the root's key back to the offline directory for this", file=self._key_path.name)
        return Issuer(certificate, load_elliptic_key(self._key_path))

    def is_present(self) -> bool:
        """Tells whether the root's key is here."""
        return self._key_path.exists()

    def _make(self, now: datetime) -> x509.Certificate:
        make_directory(self._directory, PRIVATE_DIRECTORY)
        if not self._key_path.exists():
            write_key(self._key_path, ec.generate_private_key(ec.SECP384R1()))
        # Dying here leaves a key without a certificate: the next run certifies that key.
        certificate = self_sign(self._profile, load_elliptic_key(self._key_path), new_serial(), now)
        write_certificates(self._certificate_path, certificate)
        return certificate


class Authority:
    """The issuing authority of one trust domain: what it signs, what it revokes, and its list."""

    def __init__(self, label: str, directory: Path, trust: TrustDirectory, settings: CeremonySettings) -> None:
        self.label = label
        self._directory = directory
        self._key_path = directory / "issuing.key"
        self._certificate_path = directory / "issuing.crt"
        self._revocations_path = directory / "revoked.toml"
        self._list_path = trust.revocation_list_path(label)
        self._register = Register(directory / "issued.jsonl")
        self._settings = settings
        self._profile = profiles.issuing(settings, label)

    def ensure(self, root: Root, now: datetime) -> bool:
        """Makes or recertifies what the authority lacks; tells whether it made something.

        The key is made once and kept. Refuses PKI_SETTINGS_DIFFER, PKI_KEY_UNREADABLE, PKI_ROOT_KEY_ABSENT.
        """
        if not self._certificate_path.exists() or (root.is_present() and self._is_due(now)):
            signer = root.issuer()
            make_directory(self._directory, PRIVATE_DIRECTORY)
            if not self._key_path.exists():
                write_key(self._key_path, ec.generate_private_key(ec.SECP256R1()))
            # Dying here leaves a key without a certificate: the next run certifies that key.
            key = load_elliptic_key(self._key_path)
            certificate = certify(self._profile, key.public_key(), signer, new_serial(), now)
            write_certificates(self._certificate_path, certificate)
            return True
        if not self._profile.describes(self.certificate()):
            raise SettingsDiffer(
                "use these settings with a state directory of their own", file=f"{self.label}/issuing.crt"
            )
        self.issuer()
        return False

    def certificate(self) -> x509.Certificate:
        """Reads the authority's certificate; refuses PKI_STATE_ABSENT before it has one."""
        if not self._certificate_path.exists():
            raise StateAbsent("run `init` first: the authority has no certificate yet", authority=self.label)
        return load_certificate(self._certificate_path)

    def issuer(self) -> Issuer:
        """Reads the authority for signing; refuses PKI_STATE_ABSENT and PKI_KEY_UNREADABLE."""
        certificate = self.certificate()
        if not self._key_path.exists():
            raise StateAbsent("restore the authority's key from its backup", authority=self.label)
        issuer = Issuer(certificate, load_elliptic_key(self._key_path))
        require_pair(issuer.key, certificate, self._certificate_path)
        return issuer

    def sign(self, node: NodeId, kind: str, profile: Profile, key: PublicKey, now: datetime) -> x509.Certificate:
        """Registers a serial, then signs a node's certificate with it."""
        issuer, serial = self.issuer(), new_serial()
        ends_at = min(now + profile.lifetime, issuer.certificate.not_valid_after_utc)
        # Dying after this line leaves a registered serial without a certificate, which harms nobody.
        self._register.add(Issued(hexadecimal(serial), node.name, kind, ends_at.isoformat()))
        return certify(profile, key, issuer, serial, now)

    def revocations(self) -> Revocations:
        """Reads what the authority has revoked."""
        return load_revocations(self._revocations_path)

    def revoke(self, node: NodeId, reason: str, now: datetime, kinds: Collection[str] = ("tls",)) -> tuple[str, ...]:
        """Revokes every certificate of these kinds that has not ended and publishes the list; returns their serials.

        A certificate replaced by rotation is good until it ends, so revoking the present one alone would leave a door
        open. Refuses PKI_NODE_UNISSUED.
        """
        issued = [entry for entry in self._register.entries() if entry.node == node.name and entry.kind in kinds]
        if not issued:
            raise NodeUnissued("name a node that was issued a certificate here", node=node.name)
        serials = tuple(entry.serial for entry in issued if entry.is_live(now))
        before = self.revocations()
        after = before.with_entries(*(Revocation(serial, node.name, reason, now) for serial in serials))
        if after != before:
            write_revocations(self._revocations_path, after)
        # Dying here leaves the serials recorded and unpublished: the next ceremony of any kind publishes them.
        self.publish(now)
        return serials

    def publish(self, now: datetime, *, anew: bool = False) -> bool:
        """Signs a new list if the published one is missing, half used up or incomplete, or if told to.

        Tells whether it did; the number rises with every list.
        """
        revocations, published = self.revocations(), load_list(self._list_path)
        if not anew and published is not None and self._is_current(published, revocations, now):
            return False
        # The number is spent before it is signed, and never falls behind what readers have seen (RFC 5280 §5.2.3).
        numbered = replace(revocations, number=max(revocations.number, _number(published)) + 1)
        write_revocations(self._revocations_path, numbered)
        lifetime = self._settings.revocation_list_lifetime
        publish_list(self._list_path, sign_list(numbered, self.issuer(), now, lifetime))
        return True

    def _is_current(self, published: x509.CertificateRevocationList, revocations: Revocations, now: datetime) -> bool:
        listed = {hexadecimal(entry.serial_number) for entry in published}
        half_used_at = now + self._settings.revocation_list_lifetime / 2
        next_update = published.next_update_utc
        return (
            listed == {entry.serial for entry in revocations.entries}
            and next_update is not None
            and next_update > half_used_at
            and published.is_signature_valid(self.issuer().key.public_key())
        )

    def _is_due(self, now: datetime) -> bool:
        return self.certificate().not_valid_after_utc - now < self._settings.recertify


def _number(published: x509.CertificateRevocationList | None) -> int:
    if published is None:
        return 0
    return published.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
