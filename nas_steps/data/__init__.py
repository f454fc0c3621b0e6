"""Images of any source, as uint8 arrays split into train, valid and test; and batches of them on a device."""
