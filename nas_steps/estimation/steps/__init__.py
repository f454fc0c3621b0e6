"""The steps of `python -m nas_steps.estimation`, a module each: so each has the fingerprint of what it runs alone."""
