"""Measures a federation of real processes beside floors taken in the same run: `python -m tools.bench`."""
