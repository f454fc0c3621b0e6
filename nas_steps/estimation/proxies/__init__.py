"""Zero-cost proxies: what a network is worth, read off one minibatch before any training."""
