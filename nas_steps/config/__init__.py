"""The typed config: `schema` says what is allowed, `load` reads and refuses in words, `stages` cuts it into slices."""
