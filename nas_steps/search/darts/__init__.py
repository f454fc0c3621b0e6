"""DARTS and its family."""
