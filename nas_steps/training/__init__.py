"""The one training loop: supernets, candidates, final models and scaled ones alike."""
