"""Show finished experiments beside each other: their configs, data, figures, costs and verdicts."""
