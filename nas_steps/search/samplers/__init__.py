"""One module for each sampling strategy, named like its `kind` in `nas_steps.config.strategies`.

It has `sampler(space, settings)` and `round_size`, for which the Snakefile loads it: without numpy and torch."""
