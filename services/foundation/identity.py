"""Who is at the other end: a SPIFFE id read as tier, code and trust domain."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from services.foundation.refusals import Kind, Refusal

_SPIFFE = re.compile(r"spiffe://([a-z0-9-]+(?:\.[a-z0-9-]+)*)/([a-z]+)/([a-z0-9][a-z0-9-]{0,62})")


class Tier(StrEnum):
    """What a peer is; the first part of a node's name."""

    MUNICIPAL = "municipal"
    """A municipality (市区町村)."""
    PREFECTURE = "prefecture"
    """A prefecture (都道府県)."""
    AGENCY = "agency"
    """The designated agency (指定情報処理機関)."""
    CARD = "card"
    """A card node (カードノード) at a municipality's counter, with the readers that stand there."""
    COUNTER = "counter"
    """A terminal of a municipality's counter (窓口端末); calls, never serves."""
    RELYING = "relying"
    """A body that receives information by law (提供を受ける機関); calls, never serves."""
    AUDITOR = "auditor"
    """Somebody who reads audit logs; calls, never serves."""


SERVING = frozenset({Tier.MUNICIPAL, Tier.PREFECTURE, Tier.AGENCY, Tier.CARD})
"""The tiers whose nodes serve, and so have names to be reached by, an audit log, and events to sign."""


class IdentityMalformed(Refusal):
    """A certificate's URI is not the SPIFFE id of a peer of this network."""

    kind = Kind.DENIED
    reason = "IDENTITY_MALFORMED"


@dataclass(frozen=True, slots=True)
class NodeId:
    """The name of a peer: tier, code, and the trust domain whose authority vouches for it."""

    tier: Tier
    code: str
    trust_domain: str

    @property
    def name(self) -> str:
        """The short name, `municipal/131016`."""
        return f"{self.tier.value}/{self.code}"

    @property
    def uri(self) -> str:
        """The SPIFFE id, `spiffe://13.juki.example/municipal/131016`."""
        return f"spiffe://{self.trust_domain}/{self.name}"

    @property
    def dns_name(self) -> str:
        """The DNS name that its certificate carries and by which clients verify it."""
        return f"{self.code}.{self.tier.value}.{self.trust_domain}"

    def __str__(self) -> str:
        return self.name


def trust_domain_of(tier: Tier, code: str, root: str) -> str:
    """Returns the trust domain under `root` that may vouch for a peer: its prefecture's, or the nation's."""
    if tier in (Tier.MUNICIPAL, Tier.PREFECTURE, Tier.COUNTER, Tier.CARD):
        return f"{code[:2]}.{root}"
    return f"national.{root}"


def node_id(name: str, root: str) -> NodeId:
    """Reads a short name (`municipal/131016`) of the network under trust domain `root`; refuses IDENTITY_MALFORMED."""
    tier, _, code = name.partition("/")
    if tier not in set(Tier) or not code:
        raise IdentityMalformed("name the peer as <tier>/<code>, for example municipal/131016", name=name)
    return NodeId(Tier(tier), code, trust_domain_of(Tier(tier), code, root))


def log_origin(node: NodeId, root: str) -> str:
    """Returns the origin of a node's audit log, `audit.prefecture-13.juki.example` (C2SP tlog-checkpoint)."""
    return f"audit.{node.tier.value}-{node.code}.{root}"


def parse_spiffe_id(uri: str, root: str) -> NodeId:
    """Reads a SPIFFE id and refuses one whose trust domain may not vouch for its tier and code.

    An authority is constrained by name to its own trust domain; this check adds that the 14th prefecture's
    domain cannot hold a municipality of the 13th. Refuses IDENTITY_MALFORMED.
    """
    match = _SPIFFE.fullmatch(uri)
    if match is None or match[2] not in set(Tier):
        raise IdentityMalformed("present a certificate with a SPIFFE id of this network")
    identity = NodeId(Tier(match[2]), match[3], match[1])
    if identity.trust_domain != trust_domain_of(identity.tier, identity.code, root):
        raise IdentityMalformed("the trust domain may not vouch for this peer", peer=identity.name)
    return identity
