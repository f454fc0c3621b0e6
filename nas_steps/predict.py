"""Classify images with an exported model: `python -m nas_steps.predict MODEL IMAGES...`, or go on with a text.

MODEL is an ONNX file, float32 or INT8, or an experiment's folder, whose recommended network is taken. IMAGES are files
and folders, of which all pictures are taken, sorted. If their subfolders have the names of classes, the accuracy is
printed at the end. A language model takes `--continue TEXT` or `--score FILE` instead.

Needs Pillow, NumPy and onnxruntime alone, and tokenizers for byte pairs: no torch, no training data.
"""

import argparse
import codecs
import csv
import json
import math
import os
import re
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
import onnxruntime

from nas_steps.data.layout import named_as_image, printable, visible_files
from nas_steps.data.photos import DEPTHS, TooLargeError, UnreadableError, decode, is_image
from nas_steps.errors import UserError
from nas_steps.generation import LanguageSession, content_of, is_language, open_language, windows_of_text
from nas_steps.provenance.files import read_json
from nas_steps.provenance.regular import FOLDER, MISSING, irregular
from nas_steps.provenance.task import parser, run

MODULE = "nas_steps.predict"
#: a larger image is not decoded
MAX_PIXELS = 200_000_000
#: images that the network gets at once
BATCH = 32
#: classes that are told, and tokens that a text is continued by
TOP, COUNT = 3, 200
COLUMNS = ("image", "rank", "class", "probability", "label")
#: options of the two kinds of models, by the name of the argument
OF_IMAGES = {"images": "the images", "top": "--top", "batch": "--batch", "csv": "--csv"}
OF_SAMPLES = {"tokens": "--tokens", "temperature": "--temperature", "seed": "--seed"}
OF_TEXT = {"prompt": "--continue", "score": "--score", **OF_SAMPLES}
#: what a terminal could take for a command
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


class Picture(NamedTuple):
    """An image file, and the class that its folder names; empty if it names none."""

    path: str
    label: str = ""


def main(arguments: Sequence[str]) -> None:
    """Print a line or an error for each image, or a text. Raises UserError at the end if there was an error."""
    options = parser(MODULE, __doc__ or "")
    options.add_argument("model", help="an ONNX file of the export stage, or the folder of an experiment or entry")
    options.add_argument("images", nargs="*", help="image files, and folders of them")
    options.add_argument(
        "--top", type=_positive, help=f"how many classes to tell, the likeliest first (default: {TOP})"
    )
    options.add_argument("--batch", type=_positive, help=f"images that the network gets at once (default: {BATCH})")
    options.add_argument("--csv", metavar="FILE", help=f"also write them there: {', '.join(COLUMNS)}")
    task = options.add_mutually_exclusive_group()
    task.add_argument("--continue", dest="prompt", metavar="TEXT", help="go on with this text, a document's start")
    task.add_argument("--score", metavar="FILE", help="tell the bits per byte of a text file, a document")
    options.add_argument("--tokens", type=_positive, help=f"how many tokens to go on for (default: {COUNT})")
    options.add_argument(
        "--temperature", type=_temperature, help="divides the logits; 0: always the likeliest token (default: 1)"
    )
    options.add_argument("--seed", type=_natural, help="of the drawn tokens (default: 0)")
    given = options.parse_intermixed_args(arguments)
    path = recommended(given.model)
    session = opened(path)
    check_options(given, path, language := is_language(session.get_modelmeta().custom_metadata_map))
    if language:
        tell_text(open_language(path, session), given)
    else:
        tell_classes(classes_of(path, session), session, given)


def check_options(given: argparse.Namespace, path: Path, language: bool) -> None:
    """Raise UserError if an option is for the other kind of model, or if there is nothing to do."""
    told = {name for name, value in vars(given).items() if value not in (None, [])}
    kind, missing, foreign, wanted = (
        ("is a language model", "give --continue TEXT or --score FILE", OF_IMAGES, told & {"prompt", "score"})
        if language
        else ("classifies images", "name image files or folders", OF_TEXT, told & {"images"})
    )
    if others := [words for name, words in foreign.items() if name in told]:
        raise UserError(f"{path} {kind}; leave out {' and '.join(others)}{'' if wanted else f', and {missing}'}")
    if not wanted:
        raise UserError(f"{path} {kind}; {missing}")
    if "score" in told and (lone := [words for name, words in OF_SAMPLES.items() if name in told]):
        raise UserError(f"--score draws no tokens; leave out {' and '.join(lone)}, or give --continue TEXT")


def tell_text(language: LanguageSession, given: argparse.Namespace) -> None:
    """Print a text with its continuation, as it grows, or what a file costs. Raises UserError."""
    if given.score is not None:
        found = language.score(windows_of_text(language.tokens, content_of(given.score), language.context))
        print(
            f"{printable(given.score)}: {found.bits_per_byte:.4f} bits per byte over {found.bytes:,} bytes; "
            f"{100 * found.accuracy:.1f} % of {found.tokens:,} tokens are the likeliest"
        )
        return
    decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def show(content: bytes, final: bool = False) -> None:
        print(CONTROL.sub("\ufffd", decoder.decode(content, final)), end="", flush=True)

    prompt = os.fsencode(given.prompt)
    show(prompt)
    heat = 1.0 if given.temperature is None else given.temperature
    for number in language.continued(prompt, given.tokens or COUNT, temperature=heat, seed=given.seed or 0):
        show(language.tokens.decode(np.array([number])))
    show(b"", final=True)
    print()


def tell_classes(classes: Sequence[str], session: onnxruntime.InferenceSession, given: argparse.Namespace) -> None:
    """Print a line or an error for each image. Raises UserError at the end if there was an error."""
    rows: list[tuple[str, int, str, float, str]] = []
    tried = failed = labelled = right = 0
    pictures = found_in(given.images, classes)
    while group := list(islice(pictures, given.batch or BATCH)):
        tried += len(group)
        for picture, shares in classified(session, group):
            if isinstance(shares, UserError):
                failed += 1
                print(f"error: {shares}", file=sys.stderr)
                continue
            name = printable(picture.path)
            best = np.argsort(-shares, kind="stable")[: given.top or TOP]
            print(f"{name}: " + ", ".join(f"{classes[index]} {100 * shares[index]:.1f} %" for index in best))
            labelled += bool(picture.label)
            right += picture.label == classes[best[0]]
            rows += [
                (name, rank, classes[one], float(shares[one]), picture.label) for rank, one in enumerate(best, start=1)
            ]
    if labelled:
        print(f"accuracy: {100 * right / labelled:.1f} %, {right} of {labelled} images in folders named by classes")
    if given.csv:
        with Path(given.csv).open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])
    if failed:
        raise UserError(f"{failed} of {tried} images could not be classified; they are named above")


def found_in(paths: Sequence[str], classes: Sequence[str]) -> Iterator[Picture]:
    """Yield the images that are named, and all pictures of each folder, sorted by name.

    The innermost folder that has the name of a class labels a picture; the folder that is named counts, too. What is
    neither named nor made as a picture is left out. Hidden files are, too.
    """
    for path in paths:
        if irregular(path) != FOLDER:
            yield Picture(path)
            continue
        folder, empty = Path(path), True
        for name, spelt in visible_files(folder).items():
            file = folder / spelt
            if named_as_image(name) or _is_image(file):
                empty = False
                around = [folder.resolve().name, *PurePosixPath(name).parts[:-1]]
                named = [_class_name(one) for one in around if _class_name(one) in classes]
                yield Picture(str(file), named[-1] if named else "")
        if empty:
            yield Picture(path)


def _class_name(folder: str) -> str:
    """Return the name of the class of a folder, as the preparation of the data makes it."""
    return printable(unicodedata.normalize("NFC", folder))


def _is_image(file: Path) -> bool:
    if irregular(file) is not None:
        return False
    try:
        with file.open("rb") as stream:
            return is_image(stream)
    except OSError:
        return False


def classified(
    session: onnxruntime.InferenceSession, pictures: Sequence[Picture]
) -> list[tuple[Picture, np.ndarray | UserError]]:
    """Return the probabilities (classes,) of each picture, or why it cannot be read; the network gets them at once."""
    read: list[np.ndarray | UserError] = []
    for picture in pictures:
        try:
            read.append(pixels_of(session, picture.path))
        except UserError as error:
            read.append(error)
    stacked = [pixels for pixels in read if not isinstance(pixels, UserError)]
    shares = iter(probabilities(session, np.stack(stacked)) if stacked else ())
    return [
        (picture, one if isinstance(one, UserError) else next(shares))
        for picture, one in zip(pictures, read, strict=True)
    ]


def recommended(path: str | Path) -> Path:
    """Return the recommended network's file if `path` is the folder of an experiment, else `path`.

    As in `nas_steps.load`, the folder may be followed by `recommended` or an exported entry. Raises UserError if the
    experiment recommends none.
    """
    folder, name = Path(path).parent, Path(path).name
    if irregular(path) == MISSING and (exported := folder / "export" / name / "model.onnx").is_file():
        return exported
    experiment = folder if irregular(path) == MISSING and name == "recommended" else Path(path)
    record = experiment / "recommended.json"
    if irregular(record) is not None:
        return Path(path)
    choice = read_json(record)
    if choice["entry"] is None:
        raise UserError(f"{record} recommends no network: {choice['reason']}; name an ONNX file instead")
    return experiment / choice["file"]


def load(path: str | Path) -> tuple[list[str], onnxruntime.InferenceSession]:
    """Return the class names and a session of an exported classifier. Raises UserError for any other file."""
    session = opened(path)
    return classes_of(path, session), session


def opened(path: str | Path) -> onnxruntime.InferenceSession:
    """Return a session of an ONNX file. Raises UserError if there is none."""
    reason = irregular(path)
    if reason == FOLDER:
        raise UserError(
            f"{path} is a folder without recommended.json; name the folder of an experiment that has ended, such as "
            f"results/digits, or an ONNX file, such as {Path(path) / 'model.onnx'}"
        )
    if reason is not None:
        problem = f"there is no model {path}" if reason == MISSING else f"the model {path} {reason}"
        raise UserError(f"{problem}; name the folder of a finished experiment, such as results/digits, or an ONNX file")
    try:
        return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 (onnxruntime's exceptions have no common class of their own)
        raise UserError(f"{path} cannot be loaded as an ONNX model: {error}") from None


def classes_of(path: str | Path, session: onnxruntime.InferenceSession) -> list[str]:
    """Return the class names of an exported classifier. Raises UserError if the file is none."""
    properties = session.get_modelmeta().custom_metadata_map
    if is_language(properties):
        raise UserError(f"{path} is a language model, which has no classes; continue a text with it")
    if "classes" not in properties:
        raise UserError(f"{path} holds no class names; it was not exported by nas-steps")
    classes: Any = None
    with suppress(json.JSONDecodeError):
        classes = json.loads(properties["classes"])
    entry, logits = session.get_inputs()[0], session.get_outputs()[0]
    sizes = entry.shape[1:]
    takes_pixels = entry.type == "tensor(uint8)" and len(sizes) == 3 and sizes[0] in (1, 3) and sizes[1] == sizes[2]
    named = isinstance(classes, list) and logits.shape[1:] == [len(classes)]
    if not takes_pixels or not named:
        raise UserError(
            f"{path} does not take square uint8 images (batch, 1 or 3, side, side), or does not tell apart as many "
            "classes as it names; it was not exported by nas-steps"
        )
    return [str(name) for name in classes]


def predict(session: onnxruntime.InferenceSession, path: str | Path) -> np.ndarray:
    """Return the probabilities (classes,) of one image file. Raises UserError if it cannot be read."""
    return probabilities(session, pixels_of(session, path)[None])[0]


def probabilities(session: onnxruntime.InferenceSession, images: np.ndarray) -> np.ndarray:
    """Return the probabilities (N, classes) of images (N, channels, side, side) uint8.

    Logits are divided by the temperature that calibrates them, if the file has one.
    """
    (logits,) = session.run(None, {session.get_inputs()[0].name: np.ascontiguousarray(images)})
    logits = logits / temperature(session)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def pixels_of(session: onnxruntime.InferenceSession, path: str | Path) -> np.ndarray:
    """Return an image file as the network takes it: uint8 (channels, side, side). Raises UserError if it cannot be."""
    _, channels, side, _ = session.get_inputs()[0].shape
    reason = irregular(path)
    if reason == FOLDER:
        raise UserError(f"{path} is a folder without a picture")
    if reason is not None:
        raise UserError(f"there is no image {path}" if reason == MISSING else f"{path} {reason}")
    # how many bits of 16 the training photos used, if they had 16 a value
    recorded = session.get_modelmeta().custom_metadata_map
    bits = next((bits for bits in DEPTHS if recorded.get("bits") == str(bits)), 16)
    crop, fit = float(recorded.get("crop", 1.0)), recorded.get("fit", "crop")
    try:
        with Path(path).open("rb") as stream:
            # the very code that read the training images
            return decode(stream, side, channels, MAX_PIXELS, bits, crop=crop, fit=fit).pixels
    except TooLargeError as error:
        raise UserError(
            f"{path} has {error.width} x {error.height} pixels, more than are decoded ({MAX_PIXELS:,}); shrink it"
        ) from None
    except (UnreadableError, OSError) as error:
        raise UserError(f"{path} cannot be read as an image: {error}") from None


def temperature(session: onnxruntime.InferenceSession) -> float:
    """Return what the logits are divided by, so that probabilities are calibrated; 1 if the file does not say."""
    recorded = session.get_modelmeta().custom_metadata_map.get("temperature", "1")
    try:
        value = float(recorded)
    except ValueError:
        return 1.0
    return value if 0 < value < math.inf else 1.0


def _positive(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number; give 1 or more")
    return int(text)


def _natural(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number; give 0 or more")
    return int(text)


def _temperature(text: str) -> float:
    with suppress(ValueError):
        if 0 <= (value := float(text)) < math.inf:
            return value
    raise argparse.ArgumentTypeError(f"{text!r} is no temperature; give 0 or more")


if __name__ == "__main__":
    run(main, MODULE)
