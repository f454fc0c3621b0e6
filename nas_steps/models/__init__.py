"""From an architecture's string to a torch module."""
