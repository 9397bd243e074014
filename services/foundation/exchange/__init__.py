"""Signed streams between nodes: what one node appends, its neighbour applies exactly once, in order.

To the exchange a message is opaque: the tier says on which line of order it stands, and applies it. The wire rules are
in docs/specs/exchange.md.
"""
