"""Vouching for others' logs, and having one's own vouched for (C2SP tlog-witness)."""
