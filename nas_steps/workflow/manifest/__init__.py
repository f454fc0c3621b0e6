"""The manifest of an experiment."""
