"""Digits, and the downloaded sets from made-up files of their layout: nothing is downloaded."""

from __future__ import annotations

import io
import tarfile
import urllib.error
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision.datasets
import torchvision.datasets.utils
from sklearn.datasets import load_digits

from nas_steps.config.data import Data
from nas_steps.data.downloads import CIFAR, CIFAR_FILES, parse_cifar
from nas_steps.data.sources import READERS, read_source
from nas_steps.errors import UserError

RNG = np.random.default_rng(0)


def data(source: str, path: Path | None = None, **keys: Any) -> Data:
    return Data(source=source, path=path and str(path), **keys)  # type: ignore[arg-type]


def test_every_source_of_the_config_has_a_reader() -> None:
    assert set(READERS) == set(Data.model_fields["source"].annotation.__args__)  # type: ignore[union-attr]


def test_digits_use_the_whole_range() -> None:
    source = read_source(data("digits"))
    bunch = load_digits()
    images = source.splits["train"].images
    assert images.shape == (1797, 1, 8, 8)
    assert images.dtype == np.uint8
    assert (images.min(), images.max()) == (0, 255)
    assert np.abs(images[:, 0] / 255 - bunch.images / 16).max() < 0.5 / 255 + 1e-9
    assert np.array_equal(source.splits["train"].labels, bunch.target)
    assert source.classes == [str(digit) for digit in range(10)]
    assert read_source(data("digits", resolution=16, channels=3)).splits["train"].images.shape == (1797, 3, 16, 16)


def cifar(path: Path, source: str, *, records: int = 3) -> dict[str, np.ndarray]:
    """A small archive of CIFAR's binary layout; returns the records of each split."""
    _, _, folder, label_bytes, name_file = CIFAR[source]
    written: dict[str, np.ndarray] = {}
    with tarfile.open(path, "w:gz") as tar:

        def add(name: str, content: bytes) -> None:
            info = tarfile.TarInfo(f"{folder}/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))

        add(name_file, b"airplane\nautomobile\n\n")
        for split, files in CIFAR_FILES[source].items():
            rows = RNG.integers(0, 256, (len(files) * records, label_bytes + 3072), np.uint8)
            rows[:, label_bytes - 1] = np.arange(len(rows)) % 2
            written[split] = rows
            for index, file in enumerate(files):
                add(file, rows[index * records : (index + 1) * records].tobytes())
    return written


@pytest.mark.parametrize("source", ["cifar10", "cifar100"])
def test_cifar_is_read_from_its_binary_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    asked: list[tuple[str, ...]] = []
    written: dict[str, np.ndarray] = {}

    def download(url: str, root: str, filename: str, md5: str) -> None:
        asked.append((url, md5))
        written.update(cifar(Path(root) / filename, source))

    monkeypatch.setattr(torchvision.datasets.utils, "download_url", download)
    found = read_source(data(source, tmp_path))
    archive, md5, _, label_bytes, _ = CIFAR[source]
    assert asked == [(f"https://www.cs.toronto.edu/~kriz/{archive}", md5)]
    assert found.classes == ["airplane", "automobile"]
    for split, rows in written.items():
        assert np.array_equal(found.splits[split].images.reshape(len(rows), -1), rows[:, label_bytes:])
        assert np.array_equal(found.splits[split].labels, rows[:, label_bytes - 1])


def test_a_file_that_is_not_cifar(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    path.write_bytes(b"no")
    with pytest.raises(UserError, match=r"not the binary version of cifar10.*delete it"):
        parse_cifar(path, data("cifar10"))
    cifar(path, "cifar100")
    with pytest.raises(UserError, match="not the binary version of cifar10"):
        parse_cifar(path, data("cifar10"))
    cifar(path, "cifar10")
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(UserError, match="not the binary version of cifar10"):
        parse_cifar(path, data("cifar10"))


@pytest.mark.parametrize("source", ["cifar10", "cifar100", "fashion_mnist", "svhn"])
def test_a_failing_download_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    def unreachable(*_arguments: object, **_keys: object) -> None:
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr("urllib.request.urlopen", unreachable)
    with pytest.raises(UserError) as caught:
        read_source(data(source, tmp_path / "sets"))
    message = str(caught.value)
    for words in (
        f"data.source {source}",
        "Name or service not known",
        str(tmp_path / "sets"),
        "fetch",
        "http",
        "elsewhere",
        "data.path",
    ):
        assert words in message


def test_fashion_mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = RNG.integers(0, 256, (4, 28, 28), np.uint8)

    class Fake:
        classes = ("T-shirt/top", "Trouser")

        def __init__(self, root: str, *, train: bool, download: bool) -> None:
            assert download
            assert root == str(tmp_path)
            self.data = torch.from_numpy(images if train else images[:2])
            self.targets = torch.tensor([0, 1, 0, 1][: len(self.data)])

    monkeypatch.setattr(torchvision.datasets, "FashionMNIST", Fake)
    found = read_source(data("fashion_mnist", tmp_path))
    assert np.array_equal(found.splits["train"].images[:, 0], images)
    assert found.splits["test"].labels.tolist() == [0, 1]
    assert found.classes == ["T-shirt/top", "Trouser"]


def test_pickled_tensors_of_old_torchvisions_are_not_loaded(tmp_path: Path) -> None:
    (tmp_path / "FashionMNIST" / "processed").mkdir(parents=True)
    with pytest.raises(UserError, match="no pickle is loaded here; delete that folder"):
        read_source(data("fashion_mnist", tmp_path))


def test_svhn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = RNG.integers(0, 256, (4, 3, 32, 32), np.uint8)

    class Fake:
        def __init__(self, _root: str, *, split: str, download: bool) -> None:
            assert download
            self.data = images if split == "train" else images[:2]
            self.labels = np.array([0, 9, 0, 9], np.uint8)[: len(self.data)]

    monkeypatch.setattr(torchvision.datasets, "SVHN", Fake)
    found = read_source(data("svhn", tmp_path))
    assert np.array_equal(found.splits["train"].images, images)
    assert found.splits["test"].labels.tolist() == [0, 9]
    assert found.classes[9] == "9"
