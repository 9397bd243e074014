"""What a relying body runs: a client and a command over the published protos, and nothing of the nodes' own code."""
