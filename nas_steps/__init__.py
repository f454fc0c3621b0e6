"""Neural architecture search as a Snakemake workflow."""

import time

#: `time.perf_counter()` close to the start of the process: what a step's cost is measured from
STARTED = time.perf_counter()
