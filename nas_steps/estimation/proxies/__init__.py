"""One module a zero-cost proxy, named like it, with `score(model, images, labels)`: images (N, C, S, S), labels (N,).

A score is higher for better. `score` gets a copy of the network, `prepared`, that it may change. `ALWAYS = True` says
that the score is defined even if the network's output does not depend on its images.
To add one: its module here, its name in `nas_steps.config.estimators.Proxy`.
"""
