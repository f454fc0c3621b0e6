"""The steps around the ranking"s trainings."""

from nas_steps.provenance.steps import dispatch

STEPS = ("shortlist", "rank")

if __name__ == "__main__":
    dispatch("nas_steps.ranking", STEPS)
