"""The card tier: readers, sessions with cards in them, issuing, and the software card that stands where no hardware is.

It owns a list of cards by number, and nothing lasting of anybody; it trusts the municipality to which it belongs, and a
card only after mutual authentication. It must never let a PIN or a key reach a log, a trace or an exception's text.
"""
