"""How a deployment of the network is described, given its keys, and run."""
