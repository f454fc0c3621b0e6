"""From many candidates to a ranked few: shortlist, train anew, compare with what the search thought."""
