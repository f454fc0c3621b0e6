"""The steps of retraining."""

from nas_steps.provenance.steps import dispatch

STEPS = ("train", "gather", "lookup", "count")

if __name__ == "__main__":
    dispatch("nas_steps.retraining", STEPS)
