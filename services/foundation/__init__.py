"""How a node stands up: refusals, identity, transport, log, store and exchange.

A file enters here if two tiers use it and it contains no word of the citizen domain: no resident, no address.
"""
