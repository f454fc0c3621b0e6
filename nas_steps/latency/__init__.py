"""Measure the blocks of a space on another device."""
