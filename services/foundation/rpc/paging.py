"""Pages of a list: sizes within bounds, and tokens that only the query they came from can use (AIP-158)."""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from dataclasses import dataclass, field

from services.foundation.rpc.refusals import PageSizeNegative, PageTokenInvalid

_TAG_BYTES = 16


def page_size(wanted: int, *, default: int, most: int) -> int:
    """Returns how many to list: `default` for 0, at most `most`; refuses PAGE_SIZE_NEGATIVE."""
    if wanted < 0:
        raise PageSizeNegative("leave page_size out, or give a positive number", field="page_size")
    return min(wanted or default, most)


@dataclass(frozen=True, slots=True)
class PageTokens:
    """Makes and reads tokens with a key of the node; a token authorises nothing and hides nothing, it is only bound.

    Give nodes that run as several processes the same `key`; the default is a key of this process, after whose end
    its tokens are refused and the caller begins the list again.
    """

    key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    def write(self, position: bytes, *query: str | int) -> str:
        """Returns the token of the page that begins after `position`, a key of the list that is no personal data."""
        return base64.urlsafe_b64encode(self._tag(position, query) + position).decode().rstrip("=")

    def read(self, token: str, *query: str | int) -> bytes | None:
        """Returns the position written for the same query, or None for no token; refuses PAGE_TOKEN_INVALID."""
        if not token:
            return None
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise PageTokenInvalid("begin the list again without a token", field="page_token") from None
        tag, position = raw[:_TAG_BYTES], raw[_TAG_BYTES:]
        if not hmac.compare_digest(tag, self._tag(position, query)):
            raise PageTokenInvalid("begin the list again, or repeat the query of the page before", field="page_token")
        return position

    def _tag(self, position: bytes, query: tuple[str | int, ...]) -> bytes:
        # Each part is preceded by its length, so that no two queries are the same bytes.
        parts = [position, *(f"{type(part).__name__}:{part}".encode() for part in query)]
        text = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
        return hmac.digest(self.key, text, "sha256")[:_TAG_BYTES]
