"""The key ceremony: one file of settings in, a network's root, authorities, node keys and trust directory out."""
