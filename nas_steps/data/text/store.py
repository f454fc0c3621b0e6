"""The prepared text for later steps. No torch, no pickles.

A part is one stream of tokens: START, the first document, START, the second document and so on. So the first token of a
document is predicted like any other, and no START is ever predicted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas_steps.data.store import MEND, META, SPLITS, disagrees, open_array
from nas_steps.data.text.files import KINDS, TOKENIZER
from nas_steps.data.text.tokens import Bytes, Tokens, read_bpe
from nas_steps.errors import UserError
from nas_steps.provenance.files import read_csv, read_json

COLUMNS = ("document", "bytes", "tokens")


@dataclass(frozen=True)
class PartSize:
    """Documents of a part, their bytes, and their tokens, START included."""

    documents: int
    bytes: int
    tokens: int


@dataclass(frozen=True)
class TextMeta:
    """The part of meta.json that later steps need.

    `tokens` is `bytes` or `bpe`, `vocabulary` their number, and `context` how many a network sees at once. `parts` is
    by part; `content` is a sha256 of all files; `checksums` is file -> sha256.
    """

    tokens: str
    vocabulary: int
    context: int
    parts: dict[str, PartSize]
    content: str
    checksums: dict[str, str]


@dataclass(frozen=True)
class Part:
    """A stream of tokens (M,), uint8 or uint16, mapped and read-only; and by document where it starts in it.

    - `starts`: int64 (documents,), the place of its START
    - `bytes`: int64 (documents,)
    - `names`: those of its files
    """

    tokens: NDArray[Any]
    starts: NDArray[np.int64]
    bytes: NDArray[np.int64]
    names: list[str]

    def __len__(self) -> int:
        return len(self.tokens)


def is_text(folder: str | Path) -> bool:
    """Return whether the prepared data are text. Raises UserError if there are none."""
    path = Path(folder) / META
    if not path.is_file():
        raise UserError(f"{path} is missing: the data were not prepared; run snakemake")
    return "vocabulary" in read_json(path)


def part_file(folder: str | Path, part: str, kind: str = "tokens") -> Path:
    """Return the file of a part's `tokens` or `documents`."""
    if part not in SPLITS:
        raise ValueError(f"unknown part {part!r}; known are {', '.join(SPLITS)}")
    return Path(folder) / f"{part}_{kind}.{KINDS[kind]}"


def read_text_meta(folder: str | Path) -> TextMeta:
    """Read meta.json. Raises UserError if it is missing or invalid."""
    path = Path(folder) / META
    if not path.is_file():
        raise UserError(f"{path} is missing: the text was not prepared; run snakemake")
    found: Any = read_json(path)
    try:
        files = [part_file(folder, part, kind).name for part in SPLITS for kind in KINDS]
        files += [TOKENIZER] * (found["tokens"] == "bpe")
        return TextMeta(
            tokens=str(found["tokens"]),
            vocabulary=int(found["vocabulary"]),
            context=int(found["context"]),
            parts={part: PartSize(**{key: int(found["parts"][part][key]) for key in _SIZES}) for part in SPLITS},
            content=str(found["content"]),
            checksums={file: str(found["checksums"][file]) for file in files},
        )
    except (KeyError, TypeError, ValueError) as error:
        problem = f"{type(error).__name__}: {error}"
        raise UserError(f"{path} is not as this version writes it ({problem}); {MEND}") from error


def read_tokens(folder: str | Path) -> Tokens:
    """Return the kind of tokens of the prepared text. Raises UserError if its file is missing or damaged."""
    if read_text_meta(folder).tokens == "bytes":
        return Bytes()
    path = Path(folder) / TOKENIZER
    if not path.is_file():
        raise UserError(f"{path} is missing; {MEND}")
    return read_bpe(path)


def load_part(folder: str | Path, name: str) -> Part:
    """Open a part. Raises UserError if a file is missing or does not agree with meta.json."""
    meta = read_text_meta(folder)
    size, file, table = meta.parts[name], part_file(folder, name), part_file(folder, name, "documents")
    tokens = open_array(file, np.uint8 if meta.tokens == "bytes" else np.uint16)
    if tokens.shape != (size.tokens,):
        raise disagrees(file, f"shape {tokens.shape}", f"({size.tokens},)")
    if not table.is_file():
        raise UserError(f"{table} is missing; {MEND}")
    rows = read_csv(table)
    try:
        lengths, own = (np.array([int(row[key]) for row in rows], np.int64) for key in ("tokens", "bytes"))
        names = [row["document"] for row in rows]
    except (KeyError, TypeError, ValueError):
        raise disagrees(table, "other columns", ", ".join(COLUMNS)) from None
    ends = np.cumsum(lengths + 1)
    if (len(rows), int(own.sum()), int(lengths.sum()) + len(rows)) != (size.documents, size.bytes, size.tokens):
        raise disagrees(table, f"{len(rows)} documents of {own.sum()} bytes", f"{size.documents} of {size.bytes}")
    return Part(tokens, ends - lengths - 1, own, names)


def chance_level(meta: TextMeta, part: str) -> float:
    """Return minus the bits per byte of a part for which all tokens are as likely."""
    size = meta.parts[part]
    return -math.log2(meta.vocabulary) * (size.tokens - size.documents) / size.bytes


_SIZES = tuple(PartSize.__dataclass_fields__)
