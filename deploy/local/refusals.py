"""Why a local run cannot start or go on, each with what to do about it."""

from __future__ import annotations

from services.foundation.refusals import Kind, Refusal


class TopologyMalformed(Refusal):
    """The topology file cannot be used; `where` names the stanza or key."""

    kind = Kind.MALFORMED
    reason = "TOPOLOGY_MALFORMED"


class CodeMalformed(TopologyMalformed):
    """A node's code is not one of its tier; `node` names it."""

    reason = "TOPOLOGY_CODE_MALFORMED"


class PortTaken(Refusal):
    """A port that a node needs is in use; `node`, `port` and, when known, `pid` say which and by whom."""

    kind = Kind.CONFLICT
    reason = "PORT_TAKEN"


class DiskFull(Refusal):
    """Too little space is left where the state of the run is kept; `free_mb` says how much."""

    kind = Kind.LIMITED
    reason = "DISK_FULL"


class PythonTooOld(Refusal):
    """The interpreter is older than this code."""

    kind = Kind.WRONG_STATE
    reason = "PYTHON_TOO_OLD"


class AlreadyRunning(Refusal):
    """Another supervisor holds the lock of this checkout; `pid` names it."""

    kind = Kind.CONFLICT
    reason = "ALREADY_RUNNING"


class NotRunning(Refusal):
    """No federation runs from this checkout."""

    kind = Kind.WRONG_STATE
    reason = "NOT_RUNNING"


class StartFailed(Refusal):
    """A process ended, or did not become ready in time; `process` names it, `log` says where to read why."""

    kind = Kind.WRONG_STATE
    reason = "START_FAILED"


class StopFailed(Refusal):
    """A process could not be ended; `pids` names it."""

    kind = Kind.WRONG_STATE
    reason = "STOP_FAILED"


class DatabaseUnusable(Refusal):
    """The embedded PostgreSQL is missing, belongs to another version, or cannot be reached."""

    kind = Kind.UNREACHABLE
    reason = "DATABASE_UNUSABLE"


class SocketDirectoryUnsafe(Refusal):
    """The short directory for the database's socket belongs to somebody else."""

    kind = Kind.DENIED
    reason = "SOCKET_DIRECTORY_UNSAFE"


class NodeUnreachable(Refusal):
    """A node did not answer a call of the local tools, or failed without saying why; `code` is the gRPC code."""

    kind = Kind.UNREACHABLE
    reason = "NODE_UNREACHABLE"


class DemoDisappointed(Refusal):
    """An answer of the federation is not what the tour promises; `step` says where."""

    kind = Kind.WRONG_STATE
    reason = "DEMO_DISAPPOINTED"


class TokenNotMade(Refusal):
    """The token in which a municipality keeps its issuing keys could not be made."""

    kind = Kind.WRONG_STATE
    reason = "TOKEN_NOT_MADE"
