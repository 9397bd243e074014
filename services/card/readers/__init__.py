"""How a card is reached: readers that are listed and watched, and a session with the card in one of them."""

from services.card.readers.protocol import Change, Presence, Reader, ReaderEvent, Readers
from services.card.readers.session import ReaderSession

__all__ = ["Change", "Presence", "Reader", "ReaderEvent", "ReaderSession", "Readers"]
