"""Hand-designed networks without torch: a module a family, loaded by its name, with a `FAMILY`."""
