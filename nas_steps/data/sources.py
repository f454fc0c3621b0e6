"""All sources by name, and the one without files."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from nas_steps.config.data import Data
from nas_steps.data.arrays import Labelled, Source, fit
from nas_steps.data.downloads import read_cifar, read_fashion_mnist, read_svhn
from nas_steps.data.folder import read_folder
from nas_steps.data.npz import read_npz


def read_digits(data: Data) -> Source:
    """Return scikit-learn's 1797 digits (Alpaydin & Kaynak 1998), 8 x 8 values 0 to 16, scaled to 0 to 255."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = np.rint(bunch.images * (255 / 16)).astype(np.uint8)[..., None]
    converted: Counter[str] = Counter()
    labels = bunch.target.astype(np.int64)
    classes = [str(name) for name in bunch.target_names]
    return Source(classes, {"train": Labelled(fit(images, data, converted), labels)}, converted)


READERS: dict[str, Callable[[Data], Source]] = {"digits": read_digits, "folder": read_folder, "npz": read_npz}
READERS |= {"cifar10": read_cifar, "cifar100": read_cifar, "fashion_mnist": read_fashion_mnist, "svhn": read_svhn}


def read_source(data: Data, leave_out: Path | None = None, place: str | Path | None = None, threads: int = 1) -> Source:
    """Return all images of `data.source` but those in the folder `leave_out`; `place` and `threads` as `read_folder`.

    Raises UserError.
    """
    reader = READERS[data.source]
    return read_folder(data, leave_out, place, threads) if reader is read_folder else reader(data)
