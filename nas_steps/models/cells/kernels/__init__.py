"""Compiled CPU kernels of a supernet's operations; without them torch computes the same."""
