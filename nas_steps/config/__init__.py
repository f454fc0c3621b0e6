"""The typed config: `schema` says what is allowed, `load` reads it and refuses in words. Sections hold values alone."""
