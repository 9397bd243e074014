"""Runs a topology on this machine: keys, embedded PostgreSQL, one supervised process a node, and a tour of it."""
