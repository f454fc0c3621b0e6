"""Spaces of cells: two-input ones as in DARTS, one-input ones as in NAS-Bench-201."""
