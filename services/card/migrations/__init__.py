"""How a card node's database came to its form."""
