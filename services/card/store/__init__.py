"""Where the node keeps cards by number, and what was begun: what a transaction offers, and PostgreSQL's way."""
