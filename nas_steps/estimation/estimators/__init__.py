"""One module for each estimator, named like its `kind` in `nas_steps.config.estimators`, with `estimator(shard)`."""
