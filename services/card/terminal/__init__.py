"""The terminal's side of a card: secure channels, and typed operations by application.

It knows the card by its specification alone and nothing of the software card, so any vendor's card can take its place.
"""
