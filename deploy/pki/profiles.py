"""What each kind of certificate holds (RFC 5280), as data that can be compared with a certificate."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import timedelta

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from deploy.pki.settings import CeremonySettings
from services.foundation.identity import SERVING, NodeId

_LOOPBACK = ipaddress.ip_address("127.0.0.1")
_CARD_ROLES = "2.25.254554534308430580571332433086005475010"
JUKI_NET_ROLE = x509.ObjectIdentifier(f"{_CARD_ROLES}.1")
"""Extended key usage of a terminal that may read the juki-net application of a card."""
COUNTER_ROLE = x509.ObjectIdentifier(f"{_CARD_ROLES}.2")
"""Extended key usage of a terminal at a counter."""
_EVERYWHERE = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))


@dataclass(frozen=True, slots=True)
class Profile:
    """A kind of certificate: whom it names, how long it lasts, and each extension with its criticality.

    The key identifiers (RFC 5280 §4.2.1.1 and .2) depend on keys and are added when it is signed.
    """

    subject: x509.Name
    lifetime: timedelta
    extensions: tuple[tuple[x509.ExtensionType, bool], ...]

    def describes(self, certificate: x509.Certificate) -> bool:
        """Tells whether a certificate has this subject and exactly these extensions, apart from key identifiers."""
        held = {
            (extension.value, extension.critical)
            for extension in certificate.extensions
            if not isinstance(extension.value, (x509.SubjectKeyIdentifier, x509.AuthorityKeyIdentifier))
        }
        return certificate.subject == self.subject and held == set(self.extensions)


def root(settings: CeremonySettings) -> Profile:
    """Describes the root: it may sign issuing authorities, and they may sign no further authority."""
    return Profile(_name(f"{settings.trust_domain} root"), settings.root_lifetime, _authority_extensions(path_length=1))


def issuing(settings: CeremonySettings, authority: str) -> Profile:
    """Describes an issuing authority, constrained by name to its own trust domain (RFC 5280 §4.2.1.10)."""
    domain = settings.domain_of(authority)
    return Profile(
        _name(f"{domain} issuing"),
        settings.issuing_lifetime,
        (*_authority_extensions(path_length=0), (_constraints(domain, development=settings.development), True)),
    )


def tls(settings: CeremonySettings, node: NodeId) -> Profile:
    """Describes a TLS certificate: an X509-SVID with exactly one URI, and server names only if the tier serves."""
    serves = node.tier in SERVING
    usages = [ExtendedKeyUsageOID.SERVER_AUTH] if serves else []
    names = _server_names(settings, node) if serves else []
    return Profile(
        _node_name(node),
        settings.tls_lifetime,
        (
            *_leaf_extensions(),
            (x509.ExtendedKeyUsage([*usages, ExtendedKeyUsageOID.CLIENT_AUTH]), False),
            (x509.SubjectAlternativeName([x509.UniformResourceIdentifier(node.uri), *names]), False),
        ),
    )


def signing(settings: CeremonySettings, node: NodeId) -> Profile:
    """Describes the certificate of the key that signs a node's events; it has no server name and no extended usage."""
    return Profile(
        _node_name(node),
        settings.signing_lifetime,
        (*_leaf_extensions(), (x509.SubjectAlternativeName([x509.UniformResourceIdentifier(node.uri)]), False)),
    )


def terminal(settings: CeremonySettings, node: NodeId) -> Profile:
    """Describes the certificate by which a card node proves itself to cards: for key agreement, with its roles.

    `docs/specs/card.md` §4.4 says what cards accept; it cannot open a TLS connection.
    """
    usage = _key_usage(authority=False, agreement=True)
    return Profile(
        _node_name(node),
        settings.tls_lifetime,
        (
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (usage, True),
            (x509.ExtendedKeyUsage([JUKI_NET_ROLE, COUNTER_ROLE]), False),
            (x509.SubjectAlternativeName([x509.UniformResourceIdentifier(node.uri)]), False),
        ),
    )


def _authority_extensions(*, path_length: int) -> tuple[tuple[x509.ExtensionType, bool], ...]:
    return (
        (x509.BasicConstraints(ca=True, path_length=path_length), True),
        (_key_usage(authority=True), True),
    )


def _leaf_extensions() -> tuple[tuple[x509.ExtensionType, bool], ...]:
    return (
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_key_usage(authority=False), True),
    )


def _key_usage(*, authority: bool, agreement: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority and not agreement,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=agreement,
        encipher_only=False,
        decipher_only=False,
    )


def _constraints(domain: str, *, development: bool) -> x509.NameConstraints:
    # A kind of name that no subtree mentions is unconstrained, so a deployment excludes addresses altogether. The TLS
    # of gRPC refuses every address below a constraint on addresses, even one that permits it: where 127.0.0.1 is
    # wanted, addresses stay unconstrained, and no node verifies another by address.
    permitted: list[x509.GeneralName] = [x509.UniformResourceIdentifier(domain), x509.DNSName(domain)]
    if development:
        return x509.NameConstraints([*permitted, x509.DNSName("localhost")], None)
    return x509.NameConstraints(permitted, [x509.IPAddress(network) for network in _EVERYWHERE])


def _server_names(settings: CeremonySettings, node: NodeId) -> list[x509.GeneralName]:
    names: list[x509.GeneralName] = [x509.DNSName(node.dns_name)]
    if settings.development:
        names += [x509.DNSName("localhost"), x509.IPAddress(_LOOPBACK)]
    return names


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _node_name(node: NodeId) -> x509.Name:
    # The organisation is the domain that vouches; the common name has a slash, so no reader takes it for a DNS name.
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, node.trust_domain),
            x509.NameAttribute(NameOID.COMMON_NAME, node.name),
        ]
    )
