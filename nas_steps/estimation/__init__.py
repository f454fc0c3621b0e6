"""Score architectures by one interface: an estimator maps a `Proposal` to an `Estimate`."""
