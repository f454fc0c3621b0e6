"""ONNX files that take raw pixels, checked against torch on real test images."""
