"""Building, checking, showing and ordering purposes tables."""
