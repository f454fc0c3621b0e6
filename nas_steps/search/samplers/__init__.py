"""Strategies that ask for architectures and are told what they are worth. Imports no torch."""
