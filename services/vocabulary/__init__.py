"""The words all tiers must agree on: values that parse or refuse, and pure calculations on them.

A file may enter only if two tiers use it, it imports nothing outside the standard library and this package, and it
touches no clock, network, database or log; the tables packaged in `data/` are read on first use. What is refused here
is refused with `Malformed`, and the tiers turn that into a refusal of their own.
"""
