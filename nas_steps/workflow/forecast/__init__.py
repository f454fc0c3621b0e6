"""How long a run is going to take, said before it begins. Imports no torch."""
