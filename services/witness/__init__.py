"""A witness that runs alone (C2SP tlog-witness): an auditor's, with keys, state and machine of its own.

It trusts nobody's word: what it cosigns follows from a log's signature and a proof. It must never answer before what it
holds is on the disk, and must never be started from an older copy of its state: then it would vouch for a rollback.
"""
