"""How nodes call each other: mutual TLS, the gate before every handler, channels to neighbours, errors, pages."""
