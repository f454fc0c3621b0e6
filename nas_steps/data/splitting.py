"""Stratified splits and subsampling, seeded by ranks of a PCG64's raw output, the same in every NumPy."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from nas_steps.errors import UserError


def apportion(total: int, weights: Sequence[float]) -> list[int]:
    """Divide `total` by the largest remainder, at least 1 each; equal remainders go to the first."""
    if total < len(weights):
        raise ValueError(f"{total} cannot be divided into {len(weights)} parts of at least 1")
    quotas = [total * weight / sum(weights) for weight in weights]
    parts = [int(quota) for quota in quotas]
    by_remainder = sorted(range(len(parts)), key=lambda index: parts[index] - quotas[index])
    for index in by_remainder[: total - sum(parts)]:
        parts[index] += 1
    while 0 in parts:
        parts[parts.index(max(parts))] -= 1
        parts[parts.index(0)] += 1
    return parts


def missing_shares(present: Collection[str], valid: float, test: float) -> dict[str, float]:
    """Return the shares of a pool by split: train, and those of `valid` and `test` that are not `present`."""
    missing = {name: share for name, share in (("valid", valid), ("test", test)) if name not in present}
    return {"train": 1.0 - sum(missing.values()), **missing}


def check_enough(counts: Sequence[int], classes: Sequence[str], shares: Mapping[str, float]) -> None:
    """Raise UserError if a class has fewer images than there are splits to deal them out to."""
    short = [f"{name} has {count}" for name, count in zip(classes, counts, strict=True) if count < len(shares)]
    if short:
        named = "; class ".join(short[:10]) + "; ..." * (len(short) > 10)
        problem = f"too few images to split into {', '.join(shares)}: class {named} (exact duplicates not counted)"
        raise UserError(f"{problem}, but each class needs {len(shares)}, one for each; add images, or remove the class")


def deal(labels: np.ndarray, classes: Sequence[str], shares: dict[str, float], seed: int) -> dict[str, np.ndarray]:
    """Return sorted indices by split of `shares`, stratified. Raises UserError if a class has too few images."""
    counts = np.bincount(labels, minlength=len(classes))
    check_enough(counts.tolist(), classes, shares)
    order = shuffled(len(labels), seed)
    dealt: dict[str, list[np.ndarray]] = {split: [] for split in shares}
    for label, count in enumerate(counts):
        members = order[labels[order] == label]
        ends = np.cumsum(apportion(int(count), list(shares.values())))
        for split, part in zip(shares, np.split(members, ends[:-1]), strict=True):
            dealt[split].append(part)
    return {split: np.sort(np.concatenate(parts)) for split, parts in dealt.items()}


def subsample(labels: np.ndarray, classes: Sequence[str], limit: int | None, seed: int, key: str) -> np.ndarray:
    """Return sorted indices of at most `limit` images, stratified. Raises UserError if `key` is below the classes."""
    if limit is None or limit >= len(labels):
        return np.arange(len(labels))
    if limit < len(classes):
        needs = f"there are {len(classes)} classes and each needs one image; set it to {len(classes)} or more"
        raise UserError(f"data.{key} is {limit}, but {needs}")
    order = shuffled(len(labels), seed)
    parts = apportion(limit, np.bincount(labels, minlength=len(classes)).tolist())
    return np.sort(np.concatenate([order[labels[order] == label][:part] for label, part in enumerate(parts)]))


def shuffled(count: int, seed: int) -> np.ndarray:
    """Return the numbers below `count` in a random order, int64 (count,)."""
    return np.argsort(np.random.PCG64(seed).random_raw(count), kind="stable")
