"""A job from a configuration, end to end, as plain stages; the flows are made of the same ones."""
