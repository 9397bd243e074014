"""Pairwise identifiers: what one body knows a resident by, which is of no use to another (名寄せの防止).

`base32(HMAC-SHA-256(S, code)[:20])` with `S = HMAC-SHA-256(K, "juki-ppid/v1" 00 body 00 domain)`. K never leaves the
token; S of each body and domain is asked of it once and kept in memory, so that an answer costs no round trip.
"""

from __future__ import annotations

import base64
import hmac
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from services.confirmation.refusals import PairwiseKeyAbsent
from services.confirmation.rules.purposes import Grant
from services.foundation.keys import derived_secret

if TYPE_CHECKING:
    import pkcs11

LABEL = "juki-ppid-"
"""Label of the key in the token, followed by its version."""
_PURPOSE = b"juki-ppid/v1"
_SIZE = 20
_KEY_BITS = 256
T = TypeVar("T")


class PairwiseKey(Protocol):
    """The key of one version, wherever it is kept."""

    @property
    def version(self) -> int:
        """Version, from 1."""
        ...

    def mac(self, data: bytes) -> bytes:
        """Returns the HMAC-SHA-256 of `data`, 32 bytes; refuses PAIRWISE_KEY_ABSENT. It may block."""
        ...


@dataclass(frozen=True, slots=True)
class TokenSettings:
    """Which PKCS #11 token holds the key, and how to log in to it."""

    module: str
    label: str
    pin_file: Path


class TokenKey:
    """A key in a PKCS #11 token: a generic secret that may sign, and can be neither read nor taken out."""

    def __init__(self, settings: TokenSettings, version: int) -> None:
        self.version = version
        self._settings = settings
        self._lock = threading.Lock()

    def mac(self, data: bytes) -> bytes:
        """Returns the HMAC-SHA-256 of `data`, made in the token; refuses PAIRWISE_KEY_ABSENT."""
        return self._use(lambda session: self._mac(session, data), write=False)

    def ensure(self) -> bool:
        """Makes the key in the token if it is not there, and tells whether it was made; refuses as `mac`."""
        return self._use(self._ensure, write=True)

    def _use(self, work: Callable[[pkcs11.Session], T], *, write: bool) -> T:
        try:
            import pkcs11  # noqa: PLC0415 - of the extra `issuing`
        except ImportError:
            raise _absent("install python-pkcs11: it comes with the extra `issuing`") from None
        with self._lock:
            try:
                session = self._open(write=write)
                try:
                    return work(session)
                finally:
                    session.close()
            except OSError:
                raise _absent("put the token's PIN into the file that pairwise_pin names") from None
            except (pkcs11.PKCS11Error, RuntimeError) as error:
                # The binding's errors hold no PIN, but their chain may hold the call's arguments.
                raise _absent("look after the token, and its key", error=type(error).__name__) from None

    def _open(self, *, write: bool) -> pkcs11.Session:
        import pkcs11  # noqa: PLC0415 - as above

        pin = self._settings.pin_file.read_text("ascii").strip()
        token = pkcs11.lib(self._settings.module).get_token(token_label=self._settings.label)
        try:
            return token.open(user_pin=pin, rw=write)
        except pkcs11.UserAlreadyLoggedIn:
            # Whoever logs in to a token does so for the whole process.
            return token.open(rw=write)

    def _mac(self, session: pkcs11.Session, data: bytes) -> bytes:
        from pkcs11 import Mechanism, ObjectClass  # noqa: PLC0415 - as above

        key = session.get_key(object_class=ObjectClass.SECRET_KEY, label=f"{LABEL}{self.version}")
        return bytes(key.sign(data, mechanism=Mechanism.SHA256_HMAC))  # type: ignore[attr-defined]

    def _ensure(self, session: pkcs11.Session) -> bool:
        from pkcs11 import Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass  # noqa: PLC0415 - as above

        label = f"{LABEL}{self.version}"
        if any(session.get_objects({Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.LABEL: label})):
            return False
        session.generate_key(
            KeyType.GENERIC_SECRET,
            _KEY_BITS,
            label=label,
            store=True,
            capabilities=MechanismFlag.SIGN,
            mechanism=Mechanism.GENERIC_SECRET_KEY_GEN,
            template={Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False},
        )
        return True


class FileKey:
    """A key made of the node's `salt.key`: for development, where there is no token."""

    def __init__(self, keys: Path, version: int) -> None:
        self.version = version
        self._key = derived_secret(keys / "salt.key", f"juki-ppid/{version}")

    def mac(self, data: bytes) -> bytes:
        """Returns the HMAC-SHA-256 of `data`."""
        return hmac.digest(self._key, data, "sha256")


class Pairwise:
    """Makes pairwise identifiers."""

    def __init__(self, key: PairwiseKey) -> None:
        self._key = key
        self._subkeys: dict[tuple[str, str], bytes] = {}

    @property
    def version(self) -> int:
        """Version of the key."""
        return self._key.version

    def prepare(self, grants: Iterable[Grant]) -> None:
        """Asks the token for what these grants need, so that no answer waits for it; refuses PAIRWISE_KEY_ABSENT."""
        for grant in grants:
            self._subkey(grant.body, grant.domain)

    def of(self, grant: Grant, code: str) -> str:
        """Returns the identifier of a resident code for the body and domain of `grant`, 32 characters."""
        digest = hmac.digest(self._subkey(grant.body, grant.domain), code.encode(), "sha256")
        return base64.b32encode(digest[:_SIZE]).decode()

    def _subkey(self, body: str, domain: str) -> bytes:
        found = self._subkeys.get((body, domain))
        if found is None:
            data = b"\x00".join((_PURPOSE, body.encode(), domain.encode()))
            found = self._subkeys[body, domain] = self._key.mac(data)
        return found


def _absent(advice: str, **facts: str) -> PairwiseKeyAbsent:
    return PairwiseKeyAbsent(advice, where="token", **facts)
