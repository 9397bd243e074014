"""Who may call what: a table of methods and grants, in which silence is denial."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto

from google.protobuf.descriptor import ServiceDescriptor

from services.foundation.identity import NodeId, Tier
from services.foundation.rpc.refusals import AccessIncomplete


class Kin(Enum):
    """How a caller must be related to the node that it calls."""

    ANY = auto()
    """Not at all."""
    WITHIN = auto()
    """The caller belongs to the node: a counter to its municipality, a municipality to its prefecture."""
    ABOVE = auto()
    """The node belongs to the caller: a card node's municipality, its prefecture; the agency, to which all belong."""
    BESIDE = auto()
    """The caller stands where the node stands: the terminal `counter/131016-1` beside the card node `card/131016-1`."""
    SELF = auto()
    """The caller is another process of the same node."""


@dataclass(frozen=True, slots=True)
class Grant:
    """Callers of one tier (of any, when None) that are related to the node as `kin` says."""

    tier: Tier | None
    kin: Kin = Kin.ANY

    def permits(self, caller: NodeId, node: NodeId) -> bool:
        """Tells whether `caller` may call a method of `node` under this grant."""
        return (self.tier is None or caller.tier is self.tier) and _RELATED[self.kin](caller, node)


Access = Mapping[str, frozenset[Grant]]
"""Full method names (`/package.Service/Method`) with those who may call them."""

_NATIONAL = (Tier.AGENCY,)
_AT_COUNTERS = (Tier.COUNTER, Tier.CARD)


def anyone() -> frozenset[Grant]:
    """Grants to every identified peer."""
    return frozenset({Grant(None)})


def any_of(*tiers: Tier) -> frozenset[Grant]:
    """Grants to every peer of the tiers."""
    return frozenset(Grant(tier) for tier in tiers)


def within(*tiers: Tier) -> frozenset[Grant]:
    """Grants to the peers of the tiers that belong to the node: its counters, its municipalities."""
    return frozenset(Grant(tier, Kin.WITHIN) for tier in tiers)


def above(*tiers: Tier) -> frozenset[Grant]:
    """Grants to the peers of the tiers to which the node belongs: its prefecture, the agency."""
    return frozenset(Grant(tier, Kin.ABOVE) for tier in tiers)


def beside(*tiers: Tier) -> frozenset[Grant]:
    """Grants to the peers of the tiers that have the node's own code: the terminal of the same counter."""
    return frozenset(Grant(tier, Kin.BESIDE) for tier in tiers)


def itself() -> frozenset[Grant]:
    """Grants to whoever holds the node's own certificate, such as its operator's command line."""
    return frozenset({Grant(None, Kin.SELF)})


COMMON: Access = {
    "/grpc.health.v1.Health/Check": anyone(),
    "/grpc.health.v1.Health/List": anyone(),
    "/grpc.health.v1.Health/Watch": anyone(),
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": anyone(),
}
"""Rows of the services that every node has beside its own; reflection is served only where it is switched on."""


def permits(grants: Iterable[Grant], caller: NodeId, node: NodeId) -> bool:
    """Tells whether one of the grants lets `caller` call `node`."""
    return any(grant.permits(caller, node) for grant in grants)


def methods_of(services: Iterable[ServiceDescriptor]) -> set[str]:
    """Returns the full names of the services' methods."""
    return {f"/{service.full_name}/{method.name}" for service in services for method in service.methods}


def check_complete(access: Access, services: Collection[ServiceDescriptor]) -> None:
    """Refuses ACCESS_INCOMPLETE unless the table has a row for each method of the services, with a grant, and no other.

    The rows of health and reflection (COMMON) may be in the table or left out.
    """
    served = methods_of(services)
    missing = sorted(method for method in served if not access.get(method))
    unknown = sorted(set(access) - served - set(COMMON))
    if missing or unknown:
        raise AccessIncomplete(
            "give each method a row in access.py, and remove rows of methods that are not served",
            missing=" ".join(missing),
            unknown=" ".join(unknown),
        )


def _belongs(lower: NodeId, upper: NodeId) -> bool:
    """Tells whether `lower` is, by its code, a part of `upper`: 131016-1 of 131016, 131016 of 13, all of the nation."""
    if upper.tier in _NATIONAL:
        return lower.tier not in _NATIONAL
    if upper.tier is Tier.PREFECTURE:
        return lower.tier in (Tier.MUNICIPAL, *_AT_COUNTERS) and lower.code.startswith(upper.code)
    return upper.tier is Tier.MUNICIPAL and lower.tier in _AT_COUNTERS and lower.code.startswith(f"{upper.code}-")


_RELATED: Mapping[Kin, Callable[[NodeId, NodeId], bool]] = {
    Kin.ANY: lambda _caller, _node: True,
    Kin.WITHIN: _belongs,
    Kin.ABOVE: lambda caller, node: _belongs(node, caller),
    Kin.BESIDE: lambda caller, node: caller.code == node.code and caller != node,
    Kin.SELF: lambda caller, node: caller == node,
}
