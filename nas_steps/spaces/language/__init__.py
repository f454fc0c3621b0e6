"""Spaces of language models: layers of a sequence mixer and a feed-forward network."""
