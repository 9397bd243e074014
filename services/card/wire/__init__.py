"""How the card node's messages become values, and values messages."""
