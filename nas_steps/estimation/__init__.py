"""What an architecture is worth, by one interface: an estimator maps a proposal to an `Estimate`.

To add one: its settings in `nas_steps.config.estimators`, its module here, its step in `steps/`.
"""
