"""Load a trained network of an experiment into one's own code: `nas_steps.load("results/digits")`."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from nas_steps.data.batches import DeviceImages
from nas_steps.data.photos import UnreadableError, decode
from nas_steps.data.store import META, Meta, read_meta
from nas_steps.errors import UserError, known
from nas_steps.models.saved import saved_network
from nas_steps.provenance.files import read_json
from nas_steps.provenance.regular import irregular
from nas_steps.spaces.language.parsing import is_language

RECOMMENDED, METRICS, WEIGHTS, MANIFEST = "recommended.json", "metrics.json", "weights.safetensors", "manifest.json"
#: a larger image is not decoded
MAX_PIXELS = 200_000_000
#: the modes of Pillow that a PNG holds as they are
_PNG = ("1", "L", "LA", "I;16", "P", "RGB", "RGBA")
Picture = str | Path | Image.Image | np.ndarray


@dataclass(frozen=True)
class Preprocess:
    """Prepare one picture as the training's evaluation prepares it: `preprocess(picture)`, (C, side, side) float32.

    It is a transform of torchvision's data sets, and can be sent to the workers of a DataLoader.
    """

    meta: Meta
    side: int

    def __call__(self, picture: Picture) -> Tensor:
        """Return the normalised image. `picture` is a path, a Pillow image, or uint8 (H, W) or (H, W, 1, 3 or 4).

        Raises UserError if it cannot be read.
        """
        return self.normalised(self.pixels(picture)[None])[0]

    def pixels(self, picture: Picture) -> np.ndarray:
        """Return the picture as the data are stored: uint8 (C, stored side, stored side)."""
        channels, side, _ = self.meta.shape
        name = str(picture) if isinstance(picture, str | Path) else "the image"
        try:
            with _stream(picture) as stream:
                # the very code that read the training images
                meta = self.meta
                return decode(stream, side, channels, MAX_PIXELS, meta.bits, crop=meta.crop, fit=meta.fit).pixels
        except (UnreadableError, OSError) as error:
            raise UserError(f"{name} cannot be read as an image: {error}") from None

    def normalised(self, pixels: np.ndarray) -> Tensor:
        """Return images (N, C, side, side) float32 of stored ones, uint8 (N, C, stored side, stored side)."""
        labels = np.zeros(len(pixels), np.int64)
        images = DeviceImages(pixels, labels, self.meta.mean, self.meta.std, "cpu", self.side)
        return torch.cat([batch for batch, _ in images.batches(len(pixels), shuffle=False)])


def _stream(picture: Picture) -> IO[bytes]:
    """Open a picture as a file. Raises UserError if it is none."""
    if isinstance(picture, str | Path):
        if (reason := irregular(picture)) is not None:
            raise UserError(f"the image {picture} {reason}")
        return Path(picture).open("rb")
    if isinstance(picture, np.ndarray):
        whole = picture[..., 0] if picture.ndim == 3 and picture.shape[2] == 1 else picture
        if picture.dtype != np.uint8 or not (whole.ndim == 2 or (whole.ndim == 3 and whole.shape[2] in (3, 4))):
            given = f"{picture.dtype} {picture.shape}"
            raise UserError(f"an array must be uint8 of shape (H, W) or (H, W, 1, 3 or 4), given {given}")
        picture = Image.fromarray(whole)
    if not isinstance(picture, Image.Image):
        raise UserError(f"a picture is a path, a Pillow image or an array, given {type(picture).__name__}")
    if picture.mode in ("I", "F"):
        raise UserError(f"an image of mode {picture.mode} has no known range of values; convert it to L or RGB")
    exif = picture.getexif()
    if picture.mode not in _PNG:
        picture = picture.convert("RGB")
    memory = io.BytesIO()
    picture.save(memory, "PNG", compress_level=0, exif=exif)
    memory.seek(0)
    return memory


@dataclass(frozen=True)
class Loaded:
    """A trained network: `model`, in evaluation mode, takes what `preprocess` returns, stacked, and returns logits.

    `classes` are the names of the logits; `architecture` is the network's string; `metrics` is the training's record.
    `temperature` is what its export divides the logits by, so that probabilities are calibrated; 1 without an export.
    """

    model: nn.Module
    preprocess: Preprocess
    classes: tuple[str, ...]
    architecture: str
    metrics: Mapping[str, Any] = field(repr=False)
    temperature: float = 1.0

    @torch.no_grad()
    def predict(self, picture: Picture) -> dict[str, float]:
        """Return the calibrated probability of each class, the likeliest first.

        The model is in evaluation mode meanwhile. Once it has learnt on, its temperature is an old one.
        """
        device = next((one.device for one in self.model.parameters()), torch.device("cpu"))
        trains = self.model.training
        self.model.eval()
        try:
            logits = self.model(self.preprocess(picture)[None].to(device))[0]
        finally:
            self.model.train(trains)
        shares = (logits.double() / self.temperature).softmax(0).tolist()
        return dict(sorted(zip(self.classes, shares, strict=True), key=lambda pair: -pair[1]))


def load(path: str | Path, entry: str | None = None, seed: int | None = None) -> Loaded:
    """Return a trained network; `nas_steps.load` says how it is named. Raises UserError if there is none."""
    folder = training_of(Path(path), entry, seed)
    if (reason := irregular(folder / METRICS)) is not None:
        raise UserError(f"{folder / METRICS} {reason}; {_WANTED}")
    metrics = read_json(folder / METRICS)
    if is_language(metrics["architecture"] or ""):
        raise UserError(
            f"the training {folder} is of a language model, but nas_steps.load reads classifiers of images; continue a "
            "text with `python -m nas_steps.predict`"
        )
    if metrics["status"] != "ok":
        raise UserError(f"the training {folder} has no usable network: {metrics['status']} {metrics['reason']}".strip())
    if (reason := irregular(folder / WEIGHTS)) is not None:
        raise UserError(f"the weights {folder / WEIGHTS} {reason}; copy the whole folder of the training")
    meta = _meta_of(folder, metrics)
    model = saved_network(metrics, folder / WEIGHTS, inputs=meta.shape[0], classes=len(meta.classes))
    preprocess, heat = Preprocess(meta, metrics["side"]), _temperature(folder, metrics)
    return Loaded(model, preprocess, meta.classes, metrics["architecture"], metrics, heat)


_WANTED = (
    "name the folder of an experiment, such as results/digits, its network results/digits/recommended, "
    "or the folder of a final training, such as results/digits/retraining/resnet20-s0"
)


def training_of(path: Path, entry: str | None = None, seed: int | None = None) -> Path:
    """Return the folder of the final training that `nas_steps.load` is asked for. Raises UserError if it is unknown."""
    if irregular(path / METRICS) is None:
        if entry is not None or seed is not None:
            raise UserError(f"{path} is the folder of one training; leave out entry and seed, or name the experiment's")
        return path
    experiment = path.parent if path.name in (RECOMMENDED, Path(RECOMMENDED).stem) else path
    record = experiment / RECOMMENDED
    if irregular(record) is not None:
        if entry is None or seed is None:
            raise UserError(f"there is no {record}, and {path} is no training: the run has not ended; {_WANTED}")
        return experiment / "retraining" / f"{entry}-s{seed}"
    choice = read_json(record)
    entry = choice["entry"] if entry is None else entry
    if entry is None:
        raise UserError(f"{record} recommends no network: {choice['reason']}; name an entry")
    rows = {row["entry"]: row for row in choice["considered"]}
    try:
        row = rows[known("entry", entry, rows)]
    except ValueError as error:
        raise UserError(f"{record}: {error}") from None
    seed = row["seed"] if seed is None else seed
    if seed is None:
        raise UserError(f"no training of {entry} ended soundly, says {record}; choose another entry")
    return experiment / "retraining" / f"{entry}-s{seed}"


def _temperature(folder: Path, metrics: Mapping[str, Any]) -> float:
    """Return the temperature of the exported file of this training; 1 if it was not exported."""
    exports = folder.resolve().parents[1] / "export" / "exports.json"
    for line in read_json(exports) if irregular(exports) is None else ():
        if (line["name"], line["seed"]) == (metrics["entry"], metrics["seed"]):
            return float(line.get("temperature") or 1)
    return 1.0


def _meta_of(folder: Path, metrics: Mapping[str, Any]) -> Meta:
    """Return the data that a training learnt from: as the experiment's manifest names them, else by their test images.

    Raises UserError if they are not there.
    """
    test = metrics["test_file"]
    for above in list(folder.resolve().parents)[:4]:
        if irregular(above / MANIFEST) is None:
            named = [above / file for file in read_json(above / MANIFEST)["files"] if Path(file).name == META]
            found = [meta for meta in _metas(named) if meta.checksums[test["name"]] == test["sha256"]]
            if found:
                return found[0]
        prepared = sorted((above / "data").glob(f"*/{META}"))
        found = [meta for meta in _metas(prepared) if meta.checksums[test["name"]] == test["sha256"]]
        if found and all(_prepares(meta) == _prepares(found[0]) for meta in found):
            return found[0]
        if found:
            raise UserError(
                f"{above / 'data'} holds several prepared data with the test images of {folder}, which differ in what "
                "they are normalised by; let the run end, so that its manifest.json names the right one"
            )
    raise UserError(
        f"the prepared data of {folder} are not there: their {META} has the classes and the normalisation; copy "
        "results/data along, of which the arrays are not needed"
    )


def _prepares(meta: Meta) -> Meta:
    """Return what counts of prepared data for one picture, all but the images."""
    return replace(meta, counts={}, checksums={}, content="")


def _metas(paths: list[Path]) -> list[Meta]:
    return [read_meta(path.parent) for path in paths if irregular(path) is None]
