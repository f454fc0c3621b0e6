"""The steps of compound scaling."""

from nas_steps.provenance.steps import dispatch

STEPS = ("describe", "grid", "choose", "train", "gather", "designs", "train_design", "gather_factorial")

if __name__ == "__main__":
    dispatch("nas_steps.scaling", STEPS)
