"""The members of the DARTS family, a module each: `Learner` changes what the method changes of DARTS."""
