"""The audit log of a node: entries made durable with the act, a tree over them, and what others verify it by."""
