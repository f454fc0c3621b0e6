"""Hand-designed networks, torchvision's, made fit for small images: a module a family, loaded by its name."""
