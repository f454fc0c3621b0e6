"""Text of any source, as tokens split into train, valid and test; and contexts of it on a device."""
