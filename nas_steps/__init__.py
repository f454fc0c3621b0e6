"""Neural architecture search as a Snakemake workflow."""

import sys
import time

#: `time.perf_counter()` close to the start of the process: what a step's cost is measured from
STARTED = time.perf_counter()

# `python -m nas_steps...` puts the working directory first; a random.py that lies there is not Python's
if sys.argv[:1] == ["-m"] and not sys.flags.safe_path:
    del sys.path[0]
