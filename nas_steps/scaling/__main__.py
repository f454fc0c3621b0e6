"""The steps of compound scaling."""

from nas_steps.provenance.steps import dispatch

STEPS = ("describe", "grid", "choose", "train", "gather")

if __name__ == "__main__":
    dispatch("nas_steps.scaling", STEPS)
