"""Spaces of MBConv blocks."""
