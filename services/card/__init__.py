"""The card tier: a reader, a session with the card in it, and the software card that stands where no hardware is.

It owns nothing lasting but the card image; it trusts the card only after mutual authentication, and must never let a
PIN or a key reach a log, a trace or an exception's text.
"""
