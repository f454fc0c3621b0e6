"""Compound scaling (Tan & Le 2019, section 3.3) of the winner: a family of larger networks from one architecture."""
