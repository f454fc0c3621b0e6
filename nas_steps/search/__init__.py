"""Search strategies. Whatever searches ends in candidates.csv and history.csv."""
