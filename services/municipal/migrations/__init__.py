"""How the municipality's database comes to its newest form."""
