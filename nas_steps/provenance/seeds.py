"""Seeds that do not depend on the order of jobs."""

import hashlib


def derive_seed(base: int, *labels: object) -> int:
    """A 63-bit seed for the place named by `labels`, for instance derive_seed(0, "retrain", 2)."""
    text = "/".join([str(base), *map(str, labels)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
