"""Finding look-ups in an audit log that somebody should explain."""
