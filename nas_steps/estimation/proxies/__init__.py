"""One module for each name of `nas_steps.config.estimators.Proxy`, with `score(model, images, labels)`.

Images are (N, C, S, S), labels (N,); higher is better. `score` may change its `prepared` copy of the network.
`ALWAYS = True` says that it is defined even if no output depends on the images."""
