"""One module an estimator, named like its `kind`: `estimator(shard)` makes it.

To add one: its module here, its settings in `nas_steps.config.estimators`.
"""
