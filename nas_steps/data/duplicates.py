"""Images with the same pixels. Of photos that stand alone, only a part of the pixels is compared."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np

from nas_steps.data.arrays import Labelled
from nas_steps.data.rows import take

#: values of an image that its sketch has, twice as many at most
SKETCHED = 1024


@dataclass
class Duplicates:
    """Groups of images with identical pixels, and counts of those left out.

    `keep` is a mask (N,): false for all copies but the first, or for all if their classes differ.
    """

    keep: np.ndarray
    groups: list[list[int]] = field(default_factory=list)
    same_class: int = 0
    other_class: int = 0


def sketch(image: np.ndarray) -> bytes:
    """Return a fingerprint of some of an image's values: equal for equal images, and seldom for others."""
    return _hash(image.reshape(-1)[:: image.size // SKETCHED | 1])


def fingerprints(splits: Mapping[str, Labelled]) -> dict[str, list[bytes]]:
    """Return a fingerprint of each image's pixels. Those of all its values are taken where sketches are alike."""
    prints = {name: list(part.sketches or map(sketch, part.images)) for name, part in splits.items()}
    counts = Counter(chain.from_iterable(prints.values()))
    for name, found in prints.items():
        alike = np.flatnonzero([counts[one] > 1 for one in found])
        for index, image in zip(alike, take(splits[name].images, alike), strict=True):
            found[index] = _hash(image)
    return prints


def find_duplicates(prints: Sequence[bytes], labels: np.ndarray) -> Duplicates:
    groups: dict[bytes, list[int]] = {}
    for index, fingerprint in enumerate(prints):
        groups.setdefault(fingerprint, []).append(index)
    found = Duplicates(np.ones(len(labels), bool), [group for group in groups.values() if len(group) > 1])
    for group in found.groups:
        if len(set(labels[group].tolist())) == 1:
            found.keep[group[1:]] = False
            found.same_class += len(group) - 1
        else:
            found.keep[group] = False
            found.other_class += len(group)
    return found


def _hash(values: np.ndarray) -> bytes:
    return hashlib.sha1(values.tobytes(), usedforsecurity=False).digest()
