"""Pretrained weights: from their sources to one file that networks start from."""
