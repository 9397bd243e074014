"""What an operator may set for a node: a TOML file read into a frozen dataclass; unknown keys are refused."""

from __future__ import annotations

import dataclasses
import tomllib
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from services.foundation.identity import NodeId, node_id
from services.foundation.refusals import Refusal


class SettingRefused(Refusal):
    """A settings file cannot be used; `file` and `key` say where."""

    reason = "SETTING_REFUSED"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeConfig:
    """Settings that every node has, one field a key of its TOML file."""

    node: str
    """Short name of the node, `municipal/131016`."""

    trust_domain_root: str = "juki.example"
    """Domain under which each authority's trust domain lies."""

    listen: str
    """Address to serve on, `host:port`."""

    database_url: str
    """PostgreSQL URL of the node's own database, for its restricted application role."""

    keys: Path
    """Directory of the node's keys and certificates."""

    trust: Path
    """Directory of roots, revocation lists, suspensions and log keys."""

    log_directory: Path
    """Directory in which the audit log's tiles and checkpoint are published."""

    neighbours: Mapping[str, str] = field(default_factory=dict)
    """Addresses of the nodes that this one calls, by short name."""

    reflection: bool = False
    """Whether the server describes its own methods, for grpcurl; off in production."""

    classical_callers: bool = False
    """Whether counters, relying bodies and auditors may connect without X25519MLKEM768; nodes never may."""

    require_fresh_lists: bool = False
    """Whether a peer is refused when its issuer's revocation list is missing or past its next update."""

    longest_deadline_seconds: float = 3600.0
    """Furthest deadline that a call may have."""

    database_connections: int = 8
    """Most connections that serve transactions; as many again serve look-ups, and four more the audit log."""

    durable_database: bool = True
    """Whether the node refuses to start on a database that may lose what it has confirmed; off for tests only."""

    publish_seconds: float = 1.0
    """Longest time between a durable audit entry and a checkpoint that covers it."""

    witness_policy: str = ""
    """File that says who must cosign the audit log (C2SP tlog-policy); empty for a log that nobody witnesses."""

    witness_alarm_seconds: float = 300.0
    """Age of the newest witnessed checkpoint at which the node raises an alarm; a fifth of it passes between two."""

    witness_refuse_seconds: float = 900.0
    """Age of the newest witnessed checkpoint at which the node refuses look-ups and acts."""

    otlp_endpoint: str = ""
    """Address of an OTLP gRPC collector for traces and metrics, `http://host:port`; empty switches both off."""

    log_level: str = "INFO"
    """Least severe event that is logged: DEBUG, INFO, WARNING or ERROR."""

    @property
    def identity(self) -> NodeId:
        """The node's identity."""
        return node_id(self.node, self.trust_domain_root)


C = TypeVar("C", bound=NodeConfig)


def load(path: Path, kind: type[C]) -> C:
    """Reads the TOML file at `path` as settings of `kind`; refuses SETTING_REFUSED with file and key."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingRefused("name a settings file that exists", file=str(path)) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise SettingRefused("mend the file: it is not TOML in UTF-8", file=str(path)) from None
    return parse(values, kind, str(path))


def parse(values: Mapping[str, Any], kind: type[C], file: str) -> C:
    """Makes settings of `kind` from parsed TOML; refuses unknown, missing and ill-typed keys."""
    known = {one.name: one for one in dataclasses.fields(kind)}
    for key in values:
        if key not in known:
            raise SettingRefused("remove the unknown key or mend its spelling", file=file, key=key)
    required = [
        name
        for name, one in known.items()
        if one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING
    ]
    for key in required:
        if key not in values:
            raise SettingRefused("add the missing key", file=file, key=key)
    types = typing.get_type_hints(kind)
    return kind(**{key: _typed(value, types[key], file, key) for key, value in values.items()})


def _typed(value: object, wanted: Any, file: str, key: str) -> Any:
    if wanted is Path and isinstance(value, str):
        return Path(value)
    if wanted is float and type(value) is int:
        return float(value)
    plain = typing.get_origin(wanted) or wanted
    if plain is Mapping and isinstance(value, dict) and all(isinstance(item, str) for item in value.values()):
        return value
    if plain in (str, int, float, bool) and type(value) is plain:
        return value
    raise SettingRefused("give the key a value of its type", file=file, key=key, type=getattr(plain, "__name__", "?"))
