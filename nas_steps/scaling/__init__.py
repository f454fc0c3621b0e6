"""Compound scaling (Tan & Le 2019, section 3.3) of the winner, and what of its gain is search and what scaling."""
