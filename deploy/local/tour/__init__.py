"""A tour of the federation's main job, over the wire only: register, notify, confirm, audit."""
