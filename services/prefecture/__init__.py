"""A prefecture (都道府県): its municipalities' residents' identity-confirmation information, and the relay upwards.

It trusts a municipality to speak of its own residents; it passes every notification on as it came, signed by itself
around the municipality's signature; it must never hold more of a resident than goes above the municipality.
"""
