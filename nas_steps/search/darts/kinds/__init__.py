"""The members of the DARTS family, a module each: its `Learner` overrides the methods that differ from DARTS."""
