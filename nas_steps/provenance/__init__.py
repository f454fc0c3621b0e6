"""What makes results trustworthy: atomic files, fingerprints, seeds, the cost ledger. Imports no torch."""
