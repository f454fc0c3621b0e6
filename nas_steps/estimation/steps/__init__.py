"""The functions of steps that score architectures; the stages that ask for scores declare them."""

from nas_steps.provenance.step import Step

STEPS: dict[str, Step] = {}
