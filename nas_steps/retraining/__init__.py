"""Final trainings of winners and hand-designed networks by one recipe, and what may be concluded from them."""
