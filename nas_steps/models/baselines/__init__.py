"""Hand-designed networks of torchvision, fitted to small images: a module for each family, loaded by its name."""
