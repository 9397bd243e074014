"""Where the register, its history and the resident codes are kept: what a transaction offers, and PostgreSQL's way."""
