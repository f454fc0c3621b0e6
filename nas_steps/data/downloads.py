"""The public sets that torchvision downloads. No pickle is loaded: CIFAR comes in its binary version."""

import http.client
import os
import tarfile
import zlib
from collections import Counter
from pathlib import Path

import numpy as np

from nas_steps.config.data import Data
from nas_steps.data.arrays import Labelled, Source, fit
from nas_steps.errors import UserError

DEFAULT_FOLDER = "downloads"
CIFAR_URL = "https://www.cs.toronto.edu/~kriz/"
_MD5_10, _MD5_100 = "c32a1d4ab5d03f1284b67883e8d87530", "03b5dce01913d631647c71ecec9e9cb8"
#: archive, its md5 as published on that page, folder in it, label bytes of a record, file of the class names
CIFAR = {
    "cifar10": ("cifar-10-binary.tar.gz", _MD5_10, "cifar-10-batches-bin", 1, "batches.meta.txt"),
    "cifar100": ("cifar-100-binary.tar.gz", _MD5_100, "cifar-100-binary", 2, "fine_label_names.txt"),
}
CIFAR_FILES = {
    "cifar10": {"train": [f"data_batch_{number}.bin" for number in range(1, 6)], "test": ["test_batch.bin"]},
    "cifar100": {"train": ["train.bin"], "test": ["test.bin"]},
}
_FAILURES = (OSError, RuntimeError, http.client.HTTPException)


def download_folder(data: Data) -> Path:
    return Path(os.path.expanduser(data.path or DEFAULT_FOLDER))


def read_cifar(data: Data) -> Source:
    """Return CIFAR-10 or CIFAR-100 (Krizhevsky 2009) with its own test split, and the 100 fine classes."""
    from torchvision.datasets.utils import download_url

    archive, md5, *_ = CIFAR[data.source]
    folder = download_folder(data)
    try:
        download_url(CIFAR_URL + archive, str(folder), archive, md5)
    except _FAILURES as error:
        raise _failed(data, error, f"fetch {CIFAR_URL}{archive} elsewhere and put it into {folder}/") from error
    return parse_cifar(folder / archive, data)


def parse_cifar(archive: Path, data: Data) -> Source:
    """Read a .tar.gz of records: label bytes, of which the last counts, then 3 x 32 x 32 values."""
    _, _, folder, label_bytes, names = CIFAR[data.source]
    converted: Counter[str] = Counter()
    splits = {}
    try:
        with tarfile.open(archive, "r:gz") as tar:
            classes = _member(tar, f"{folder}/{names}").decode("utf-8").split()
            for split, files in CIFAR_FILES[data.source].items():
                content = b"".join(_member(tar, f"{folder}/{file}") for file in files)
                records = np.frombuffer(content, np.uint8).reshape(-1, label_bytes + 3 * 32 * 32)
                images = records[:, label_bytes:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
                labels = records[:, label_bytes - 1].astype(np.int64)
                if labels.max(initial=0) >= len(classes):
                    raise ValueError(f"{split} has label {labels.max()}, but there are {len(classes)} classes")
                splits[split] = Labelled(fit(images, data, converted), labels)
    except (tarfile.TarError, zlib.error, OSError, EOFError, KeyError, ValueError) as error:
        raise UserError(f"{archive} is not the binary version of {data.source} ({error}); delete it") from error
    return Source(classes, splits, converted)


def read_fashion_mnist(data: Data) -> Source:
    """Return Fashion-MNIST (Xiao, Rasul & Vollgraf 2017) with its own test split."""
    from torchvision.datasets import FashionMNIST

    folder = download_folder(data)
    processed = folder / "FashionMNIST" / "processed"
    if processed.exists():
        # torchvision would prefer these
        problem = f"{processed} holds pickled tensors of an old torchvision, and no pickle is loaded here"
        raise UserError(f"{problem}; delete that folder, or name another one as data.path")
    source = Source(list(FashionMNIST.classes), {})
    try:
        for split in ("train", "test"):
            part = FashionMNIST(str(folder), train=split == "train", download=True)
            images, labels = part.data.numpy()[..., None], part.targets.numpy().astype(np.int64)
            source.splits[split] = Labelled(fit(images, data, source.converted), labels)
    except (*_FAILURES, AssertionError, ValueError) as error:
        raw = folder / "FashionMNIST" / "raw"
        wanted = ", ".join(name for name, _ in FashionMNIST.resources)
        mend = f"fetch {wanted} from {FashionMNIST.mirrors[0]} elsewhere and put them into {raw}/"
        raise _failed(data, error, mend) from error
    return source


def read_svhn(data: Data) -> Source:
    """Return Street View House Numbers (Netzer et al. 2011), cropped digits, with its own test split."""
    from torchvision.datasets import SVHN

    folder = download_folder(data)
    source = Source([str(digit) for digit in range(10)], {})
    try:
        for split in ("train", "test"):
            part = SVHN(str(folder), split=split, download=True)
            images, labels = part.data.transpose(0, 2, 3, 1), part.labels.astype(np.int64)
            source.splits[split] = Labelled(fit(images, data, source.converted), labels)
    except _FAILURES as error:
        urls = " and ".join(SVHN.split_list[split][0] for split in ("train", "test"))
        raise _failed(data, error, f"fetch {urls} elsewhere and put them into {folder}/") from error
    return source


def _member(tar: tarfile.TarFile, name: str) -> bytes:
    stream = tar.extractfile(name)
    if stream is None:
        raise KeyError(f"{name} is no file in it")
    with stream:
        return stream.read()


def _failed(data: Data, error: BaseException, mend: str) -> UserError:
    reason = " ".join(str(error).split()) or type(error).__name__
    return UserError(
        f"data.source {data.source} could not be downloaded into {download_folder(data)} ({reason}); check the "
        f"network and run again, or {mend}, or set data.path to a folder that has the download already"
    )
