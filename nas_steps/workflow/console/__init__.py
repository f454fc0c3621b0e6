"""What a run prints, and how far it is."""
