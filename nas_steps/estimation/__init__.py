"""What an architecture is worth, by one interface: an estimator maps architectures to `Estimate`s."""
