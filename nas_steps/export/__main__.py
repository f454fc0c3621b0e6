"""The steps of the export."""

from nas_steps.provenance.steps import dispatch

STEPS = ("entry", "scaled", "gather")

if __name__ == "__main__":
    dispatch("nas_steps.export", STEPS)
