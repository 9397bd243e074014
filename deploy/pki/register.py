"""Which certificates an authority has signed: written before it signs, so that no certificate is unknown to it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from deploy.pki.files import PRIVATE, write_atomic
from deploy.pki.refusals import KeyUnreadable


@dataclass(frozen=True, slots=True)
class Issued:
    """One certificate that an authority has signed or was about to sign."""

    serial: str
    """Lower-case hexadecimal, 32 digits."""
    node: str
    """The node's short name, `municipal/131016`."""
    kind: str
    """`tls` or `signing`."""
    ends_at: str
    """The last instant it may be good at, ISO 8601 in UTC."""

    def is_live(self, now: datetime) -> bool:
        """Tells whether the certificate has not ended yet."""
        return datetime.fromisoformat(self.ends_at) > now


class Register:
    """The certificates of one authority, one JSON object a line, oldest first."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def entries(self) -> list[Issued]:
        """Reads every entry; refuses PKI_KEY_UNREADABLE."""
        if not self._path.exists():
            return []
        try:
            return [Issued(**json.loads(line)) for line in self._path.read_text("utf-8").splitlines()]
        except (ValueError, TypeError):
            raise KeyUnreadable("restore the register from its backup", file=self._path.name) from None

    def add(self, entry: Issued) -> None:
        """Records a certificate that is about to be signed; it is durable on return."""
        lines = [json.dumps(asdict(each), separators=(",", ":")) for each in [*self.entries(), entry]]
        write_atomic(self._path, "".join(f"{line}\n" for line in lines).encode(), PRIVATE)


def hexadecimal(serial: int) -> str:
    """Writes a serial the way the register and the revocations name it."""
    return f"{serial:032x}"
