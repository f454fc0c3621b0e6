"""The steps around the ranking's trainings."""

from nas_steps.provenance.steps import dispatch

STEPS = ("shortlist", "rank", "in_table")

if __name__ == "__main__":
    dispatch("nas_steps.ranking", STEPS)
