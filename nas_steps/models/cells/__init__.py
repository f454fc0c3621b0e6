"""Networks and supernets of cells."""
