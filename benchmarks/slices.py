"""What slices of EfficientNet-Lite0 keep of its features, and what re-estimated batch norms do to them.

    python -m benchmarks.slices PHOTOS [--side 64] [--number 1500]

PHOTOS is a folder with one subfolder a class, or a .zip of one. Networks start from the pretrained weights and are not
trained. A logistic regression on frozen features is fitted on one part of the photos and scored on another, with the
statistics of the weights and with statistics re-estimated on the photos. It needs the package of the weights.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from nas_steps.config.data import Data
from nas_steps.data.batches import DeviceImages
from nas_steps.data.prepare import prepare
from nas_steps.data.settings import DataSettings
from nas_steps.data.store import load_split
from nas_steps.facts import NORMALISATIONS
from nas_steps.models.mobile.network import MobileNetwork
from nas_steps.models.mobile.slicing import Importance, sort_channels, start_from
from nas_steps.pretrained.sources import as_network, read_package
from nas_steps.spaces.mobile.architectures import parse_mobile
from nas_steps.spaces.mobile.efficientnet import LITE0

#: by name the string, and how its channels are chosen
SHALLOWER = (
    LITE0.replace("r2_k3_s2_e6_c24", "k3_s2_e6_c24").replace("r2_k5_s2_e6_c40", "k5_s2_e6_c40")
    .replace("r3_k3_s2_e6_c80", "r2_k3_s2_e6_c80").replace("r3_k5_e6_c112", "r2_k5_e6_c112")
    .replace("r4_k5_s2_e6_c192", "r3_k5_s2_e6_c192")
)  # fmt: skip
NARROWER = LITE0.replace("e6", "e4")
SLICES: dict[str, tuple[str, Importance]] = {
    "whole": (LITE0, "l1"),
    "a layer less a stage": (SHALLOWER, "l1"),
    "kernels 5 -> 3": (LITE0.replace("k5", "k3"), "l1"),
    "expansion 6 -> 4, l1": (NARROWER, "l1"),
    "expansion 6 -> 4, activation": (NARROWER, "activation"),
    "expansion 6 -> 4, bn": (NARROWER, "bn"),
    "expansion 6 -> 4, first channels": (NARROWER, "first"),
}


def sliced(text: str, importance: Importance) -> MobileNetwork:
    """Build a network that starts from the weights of Lite0."""
    whole = MobileNetwork(parse_mobile(LITE0), inputs=3, classes=1000)
    as_network(read_package("lite0").state, whole, "those of lite0")
    sort_channels(whole, importance)
    made = MobileNetwork(parse_mobile(text), inputs=3, classes=2)
    start_from(made, whole.state_dict(), "lite0")
    return made.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]


@torch.inference_mode()
def features(network: MobileNetwork, photos: DeviceImages) -> tuple[np.ndarray, np.ndarray]:
    """Return the averages of the last maps, shape (photos, channels), and the labels."""
    found = [(network.features(images).mean((2, 3)), labels) for images, labels in photos.batches(64, shuffle=False)]
    return torch.cat([one for one, _ in found]).numpy(), torch.cat([labels for _, labels in found]).numpy()


@torch.inference_mode()
def reestimate(network: MobileNetwork, photos: DeviceImages) -> None:
    """Replace the statistics of batch norms by the averages over batches of photos."""
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    network.train()
    for images, _ in photos.batches(128, shuffle=True, seed=0):
        network(images)
    network.eval()


def probe(network: MobileNetwork, train: DeviceImages, valid: DeviceImages) -> float:
    """Return the accuracy of a logistic regression on frozen features."""
    (known, labels), (unknown, wanted) = features(network, train), features(network, valid)
    scale = StandardScaler().fit(known)
    fitted = LogisticRegression(C=0.001, max_iter=300).fit(scale.transform(known), labels)
    return float(fitted.score(scale.transform(unknown), wanted))


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    options.add_argument("photos", help="a folder or .zip with one subfolder a class")
    options.add_argument("--side", type=int, default=64, help="pixels a side of the photos")
    options.add_argument("--number", type=int, default=1500, help="photos to fit on, at most; half as many to score on")
    given = options.parse_args()
    torch.set_num_threads(1)
    mean, std = (list(one) for one in NORMALISATIONS["lite"])
    with TemporaryDirectory() as folder:
        data: dict[str, Any] = {"source": "folder", "path": given.photos, "resolution": given.side, "valid": 0.3}
        data |= {"test": 0.01, "max_train": given.number, "max_valid": given.number // 2}
        prepare(DataSettings(seed=0, data=Data(**data), normalisation=(mean, std)), Path(folder))
        parts = [load_split(folder, name) for name in ("train", "valid")]
        train, valid = (DeviceImages(part.images, part.labels, mean, std, "cpu") for part in parts)
        print(f"{len(train)} photos of {given.side} pixels to fit on, {len(valid)} to score on; accuracies in %")
        print("| slice | parameters | statistics of the weights | re-estimated |\n|---|---|---|---|")
        for name, (text, importance) in SLICES.items():
            network = sliced(text, importance)
            before = probe(network, train, valid)
            reestimate(network, train)
            size = sum(tensor.numel() for tensor in _weights(network))
            print(f"| {name} | {size / 1e6:.2f} M | {100 * before:.1f} | {100 * probe(network, train, valid):.1f} |")


def _weights(network: nn.Module) -> list[Tensor]:
    return [parameter.data for parameter in network.parameters()]


if __name__ == "__main__":
    main()
