"""The pictures: what autoencoders learn, and what a threshold would have meant."""
