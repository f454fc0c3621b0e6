"""The text of a training on its device, and how a language model is judged on it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from nas_steps.data.text.batches import DeviceText, Score
from nas_steps.data.text.store import TextMeta, load_part, read_text_meta, read_tokens
from nas_steps.facts import NEG_BITS_PER_BYTE
from nas_steps.metrics import bits_per_byte, in_blocks
from nas_steps.training.distributed import world
from nas_steps.training.loop import Judged
from nas_steps.training.micro_batches import out_of_memory

#: logits of windows that are scored at once, at most, in numbers: 64 MB of float32
LOGITS = 16_000_000
#: with fewer documents, blocks of windows are the units of the metric's uncertainty; and how many blocks
FEWEST_DOCUMENTS = 30


@dataclass(frozen=True)
class Texts:
    """The training and validation text on the training device, never the test part."""

    meta: TextMeta
    train: DeviceText
    valid: DeviceText | None
    metric: str = NEG_BITS_PER_BYTE

    @property
    def context(self) -> int:
        return self.meta.context

    @property
    def side(self) -> int:
        """The context: what the side in pixels is to images."""
        return self.meta.context

    @property
    def shape(self) -> dict[str, int]:
        """The arguments of a network for this text: `inputs` (1) and `classes`, the vocabulary."""
        return {"inputs": 1, "classes": self.meta.vocabulary}


def load_texts(folder: str | Path, device: torch.device, *, merged: bool = False) -> Texts:
    """Read the prepared text; `merged` joins train and valid. Raises UserError if a file is missing or damaged."""
    meta = read_text_meta(folder)
    parts = ("train", "valid") if merged else ("train",)
    train = load_text(folder, device, *parts)
    return Texts(meta, train, None if merged else load_text(folder, device, "valid"))


def load_text(folder: str | Path, device: torch.device, *parts: str) -> DeviceText:
    """Open parts of the prepared text as one stream on the device."""
    tokens, context = read_tokens(folder), read_text_meta(folder).context
    return DeviceText([load_part(folder, part) for part in parts], tokens, context, device)


def score_text(model: nn.Module, text: DeviceText) -> Score:
    """Score a language model on all windows of `text`; several processes share them, and all get the sums.

    The model's mode is as before. If memory runs out, one process scores fewer windows at once.
    """
    batch = max(1, LOGITS // (text.vocabulary * text.context))
    while True:
        try:
            return _score(model, text, batch)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error) or batch == 1 or world().size > 1:
                raise
        batch //= 2


def judge_text(score: Score) -> Judged:
    """Return nats a token, the share of tokens that were predicted right, and minus the bits per byte."""
    bits = bits_per_byte(score.document_nats, score.document_bytes)
    nats = float(score.document_nats.sum())
    return Judged(nats / score.tokens, score.right / score.tokens, -bits)


def units_of(score: Score) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return nats and bytes of the units of text: documents, or blocks of neighbouring windows if there are few.

    Blocks are as many as `FEWEST_DOCUMENTS`, if there are as many windows. Units without a byte are left out.
    """
    nats, sizes = score.document_nats, score.document_bytes
    if len(nats) < FEWEST_DOCUMENTS:
        length = max(1, len(score.window_nats) // FEWEST_DOCUMENTS)
        nats, sizes = in_blocks(score.window_nats, length), in_blocks(score.window_bytes, length)
    return nats[sizes > 0], sizes[sizes > 0]


@torch.no_grad()
def _score(model: nn.Module, text: DeviceText, batch: int) -> Score:
    was_training, processes = model.training, world()

    def nats(inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        logits = model(inputs)
        costs = F.cross_entropy(logits.float().flatten(0, 1), targets.flatten(), reduction="none")
        return costs.view_as(targets), logits.argmax(-1) == targets

    model.eval()
    try:
        score = text.score(nats, batch, rank=processes.rank, processes=processes.size)
    finally:
        model.train(was_training)
    if processes.size == 1:
        return score
    sums = [_summed(one, text.device) for one in score]
    return Score(sums[0], sums[1].astype(np.int64), sums[2], sums[3].astype(np.int64), int(sums[4]), int(sums[5]))


def _summed(values: Any, device: torch.device) -> Any:
    """Sum numbers over all processes."""
    (total,) = world().sum(torch.as_tensor(np.asarray(values, dtype=np.float64), device=device))
    return total.cpu().numpy()
