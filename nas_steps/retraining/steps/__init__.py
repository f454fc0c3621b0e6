"""The steps of `python -m nas_steps.retraining`, a module each: so each has the fingerprint of what it runs alone."""
