"""The issuer's keys: kept in a PKCS #11 token, which the master keys never leave.

Of them the keys of each card are made when they are needed, by the card's number; nothing is kept of those.
"""

from services.card.issuer.derivation import Purpose, derivation_input
from services.card.issuer.issuer import Issuer, TokenIssuer
from services.card.issuer.token import Token, TokenSettings

__all__ = ["Issuer", "Purpose", "Token", "TokenIssuer", "TokenSettings", "derivation_input"]
