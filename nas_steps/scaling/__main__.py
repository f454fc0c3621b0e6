"""The steps of compound scaling."""

from nas_steps.provenance.task import dispatch

if __name__ == "__main__":
    dispatch("nas_steps.scaling")
