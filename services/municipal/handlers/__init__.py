"""How the municipality answers: each handler reads, decides, writes and answers."""
