"""The software card: what `docs/specs/card.md` says a card does, in one process and one encrypted file.

It stands where no hardware is. It trusts nothing that it is sent; it must never release a private key, a PIN, or a
signature that does not verify.
"""
