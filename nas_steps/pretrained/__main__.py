"""`python -m nas_steps.pretrained weights`."""

from nas_steps.provenance.task import dispatch

if __name__ == "__main__":
    dispatch("nas_steps.pretrained")
