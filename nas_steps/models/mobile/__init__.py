"""Networks and supernets of MBConv blocks."""
