"""The steps around the ranking's trainings; called without a step, whether a rank correlation is enough."""

import sys

from nas_steps.provenance.task import dispatch

if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1].startswith("--") and sys.argv[1] != "--help":
        # `python -m nas_steps.ranking --tau 0.4`
        sys.argv.insert(1, "sufficiency")
    dispatch("nas_steps.ranking", ["sufficiency"])
