"""The steps of retraining."""

from nas_steps.provenance.task import dispatch

if __name__ == "__main__":
    dispatch("nas_steps.retraining", ["count"])
