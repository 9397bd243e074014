"""How a card node answers: each handler finds the session, writes the act down, does it, and answers."""
