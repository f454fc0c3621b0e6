"""One module a sampling strategy, named like its `kind`: `sampler(space, settings)` makes it, `round_size` plans it.

To add one: its module here, its settings in `nas_steps.config.strategies`. The Snakefile loads these modules too, so
what needs numpy or torch is imported inside functions.
"""
