"""Contexts of text made on the training device, and windows that score each byte of a part once."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nas_steps.data.ahead import ahead
from nas_steps.data.batches import fits
from nas_steps.data.rows import OpenFile, read_whole
from nas_steps.data.streaming import DEPTH, THREADS
from nas_steps.data.text.store import Part
from nas_steps.data.text.tokens import START, Tokens
from nas_steps.errors import UserError
from nas_steps.provenance.seeds import derive_seed

#: how torch holds the two kinds of stored tokens; it has few operations for unsigned numbers of 16 bits
HELD = {1: torch.uint8, 2: torch.int16}


class Windows(NamedTuple):
    """Windows to score: `inputs` and `targets` int64 (B, T), the target being the token after each input.

    `counted`, bool (B, T), is false for targets that are no text: a START, or what fills the last window. `positions`,
    int64 (B, T) on the CPU, are the targets' places in the stream; `first` is the number of the first window.
    """

    inputs: Tensor
    targets: Tensor
    counted: Tensor
    positions: Tensor
    first: int


class Score(NamedTuple):
    """What a network's predictions of a part cost, float64 nats, and the int64 bytes that they are about.

    Both are summed by document and by window. `tokens` were predicted, and `right` of them as the likeliest, if the
    network's likeliest tokens are known. A process that scored a share of each batch has the sums of its share.
    """

    document_nats: NDArray[np.float64]
    document_bytes: NDArray[np.int64]
    window_nats: NDArray[np.float64]
    window_bytes: NDArray[np.int64]
    tokens: int = 0
    right: int = 0


class DeviceText:
    """The text of one or several parts for training or evaluation on `device`, seen `context` tokens at once.

    Text that fits (`batches.fits`) is moved to the device once. Other text is read batch by batch, ahead of its use,
    through pinned memory for CUDA; the batches are the same. Several parts are one stream. Raises ValueError for parts
    of different tokens, or with fewer tokens than a context and the one after it.
    """

    def __init__(self, parts: Sequence[Part], tokens: Tokens, context: int, device: torch.device | str) -> None:
        if any(part.tokens.dtype != tokens.kind for part in parts):
            raise ValueError(f"tokens of type {tokens.kind} are wanted, not {[str(one.tokens.dtype) for one in parts]}")
        self.device, self.context, self._tokens = torch.device(device), context, tokens
        lengths = np.array([len(part) for part in parts], np.int64)
        self._ends = np.cumsum(lengths)
        if (total := int(lengths.sum())) <= context:
            raise ValueError(f"{total} tokens have no context of {context} and a token after it")
        shifts = self._ends - lengths
        self._starts = np.concatenate([part.starts + shift for part, shift in zip(parts, shifts, strict=True)])
        self._parts = [_Stream(part.tokens) for part in parts]
        self._held = HELD[tokens.kind.itemsize]
        self._resident: Tensor | None = None
        if fits(total * tokens.kind.itemsize, self.device):
            whole = np.concatenate([np.asarray(part.tokens) for part in parts])
            self._resident = torch.from_numpy(whole.view(_signed(whole.dtype))).to(self.device)
        self._bytes_of = torch.from_numpy(np.array(tokens.bytes_of, np.int64)).to(self.device)

    def __len__(self) -> int:
        """Return the number of tokens, START included."""
        return int(self._ends[-1])

    @property
    def documents(self) -> int:
        return len(self._starts)

    @property
    def vocabulary(self) -> int:
        return self._tokens.size

    @property
    def windows_count(self) -> int:
        """The number of windows that score each token once."""
        return -(-(len(self) - 1) // self.context)

    def batches(
        self, count: int, *, seed: int, steps: int, start: int = 0, rank: int = 0, processes: int = 1
    ) -> Iterator[Tensor]:
        """Yield the contexts of the training steps `start` to `steps` - 1: int64 (count, context + 1).

        The contexts of a step begin anywhere in the stream, each place being as likely, and may hold the START of the
        next document. They depend on `seed` and the step alone, so a resumed training reads the same ones. Of several
        `processes`, `rank` gets its `shared` rows of each batch. Raises ValueError if a process had none.
        """
        first, stop = shared(count, rank, processes)
        places = (self._places(count, seed, step)[first:stop] for step in range(start, steps))
        return self._contexts(places)

    def windows(self, batch_size: int, *, rank: int = 0, processes: int = 1) -> Iterator[Windows]:
        """Yield all windows in order, `batch_size` at once; of several `processes`, `rank` gets its `shared` rows.

        Window k predicts the tokens 1 + kT to (k + 1)T of the stream from those before them in the window, T being the
        context. So each token but START 0 is predicted once: the first of a window from one token, the first of a
        document from its START. Processes without a row of the last batch leave it out.
        """
        bounds = []
        for first in range(0, self.windows_count, batch_size):
            size = min(batch_size, self.windows_count - first)
            low, high = shared(size, rank, processes) if size >= processes else ((0, size) if rank == 0 else (0, 0))
            if high > low:
                bounds.append((first + low, first + high))
        steps = torch.arange(self.context + 1)
        last = len(self) - 1
        starts = torch.from_numpy(self._starts)
        for low, _, found in self._filled(bounds):
            positions = torch.arange(low, low + len(found))[:, None] * self.context + steps
            inside = positions <= last
            begins = torch.isin(positions, starts)
            counted = (inside & ~begins)[:, 1:].to(self.device)
            yield Windows(found[:, :-1], found[:, 1:], counted, positions[:, 1:], low)

    def score(
        self,
        nats: Callable[[Tensor, Tensor], Tensor | tuple[Tensor, Tensor]],
        batch_size: int,
        *,
        rank: int = 0,
        processes: int = 1,
    ) -> Score:
        """Sum what the predictions of a network cost, over all windows.

        `nats` gives the negative log-likelihoods (B, T) of targets from inputs, both int64 (B, T). With them it may
        give whether each target is the likeliest token, bool (B, T).
        """
        documents, windows = np.zeros((2, self.documents)), np.zeros((2, self.windows_count))
        tokens = right = 0
        for batch in self.windows(batch_size, rank=rank, processes=processes):
            counted = batch.counted.cpu()
            found = nats(batch.inputs, batch.targets)
            plain, likeliest = found if isinstance(found, tuple) else (found, torch.zeros_like(counted))
            tokens, right = tokens + int(counted.sum()), right + int((likeliest.cpu() & counted).sum())
            costs = plain.detach().cpu().double().where(counted, 0.0).numpy()
            sizes = (self._bytes_of[batch.targets].cpu() * counted).numpy()
            owners = np.searchsorted(self._starts, batch.positions.numpy().reshape(-1), side="right") - 1
            for place, values in enumerate((costs, sizes)):
                documents[place] += np.bincount(owners, values.reshape(-1), minlength=self.documents)
                windows[place, batch.first : batch.first + len(values)] = values.sum(axis=1)
        whole = [one[1].astype(np.int64) for one in (documents, windows)]
        return Score(documents[0], whole[0], windows[0], whole[1], tokens, right)

    def _places(self, count: int, seed: int, step: int) -> Tensor:
        generator = torch.Generator().manual_seed(derive_seed(seed, "contexts", step))
        return torch.randint(len(self) - self.context, (count,), generator=generator)

    def _contexts(self, places: Iterator[Tensor]) -> Iterator[Tensor]:
        """Yield int64 (B, context + 1) on the device for each of the int64 (B,) places in the stream."""
        if self._resident is not None:
            steps = torch.arange(self.context + 1, device=self.device)
            for some in places:
                yield self._numbers(self._resident[some.to(self.device)[:, None] + steps])
            return
        pinned = self.device.type == "cuda"

        def gather(some: Tensor) -> Tensor:
            batch = torch.empty((len(some), self.context + 1), dtype=self._held, pin_memory=pinned)
            for row, place in zip(batch.numpy(), some.tolist(), strict=True):
                self._read(place, row)
            return batch

        for batch in ahead(gather, places, threads=THREADS, depth=DEPTH):
            yield self._numbers(batch.to(self.device, non_blocking=pinned))

    def _filled(self, bounds: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int, Tensor]]:
        """Yield first and stop window of each batch and its tokens (B, context + 1), START after the end."""
        last = len(self) - self.context - 1
        places = [torch.arange(low, high) * self.context for low, high in bounds]
        found = self._contexts(place.clamp(max=last) for place in places)
        for (low, high), place, batch in zip(bounds, places, found, strict=True):
            if (over := int(place[-1]) - last) > 0:  # the last window was read from further ahead
                batch[-1] = torch.cat([batch[-1, over:], torch.full_like(batch[-1, :over], START)])
            yield low, high, batch

    def _read(self, place: int, row: NDArray[Any]) -> None:
        """Read the tokens of the stream from `place` on into `row`, over the ends of parts."""
        done = 0
        for stream, end in zip(self._parts, self._ends.tolist(), strict=True):
            if place < end and done < len(row):
                some = min(len(row) - done, end - place)
                stream.read(place - (end - len(stream)), row[done : done + some])
                place, done = place + some, done + some

    def _numbers(self, held: Tensor) -> Tensor:
        return held.long() if held.dtype == torch.uint8 else held.long() & 0xFFFF


class _Stream:
    """The tokens of one part in memory or in a .npy file, read by explicit reads: no page stays in memory."""

    def __init__(self, tokens: NDArray[Any]) -> None:
        self._tokens, self._size = tokens, tokens.dtype.itemsize
        mapped = isinstance(tokens, np.memmap) and isinstance(tokens.base, mmap.mmap)
        self._file = _opened(str(tokens.filename)) if mapped else None  # type: ignore[attr-defined]

    def __len__(self) -> int:
        return len(self._tokens)

    def read(self, place: int, out: NDArray[Any]) -> None:
        """Fill `out`, contiguous numbers of the stored size, with the tokens from `place` on."""
        if self._file is None:
            out[:] = self._tokens[place : place + len(out)].view(out.dtype)
        else:
            bytes_of = memoryview(out).cast("B")  # type: ignore[arg-type]
            read_whole(self._file.fileno(), bytes_of, self._tokens.offset + place * self._size)  # type: ignore[attr-defined]


def _opened(file: str) -> OpenFile:
    return OpenFile(open(file, "rb"))


def shared(count: int, rank: int, processes: int) -> tuple[int, int]:
    """Return the first row and the one after the last of `rank`'s share of `count` rows; the first ranks get more.

    Raises ValueError if a process had none.
    """
    if not 0 <= rank < processes or count < processes:
        raise ValueError(f"{count} rows cannot be shared out over {processes} processes (rank {rank})")
    each, more = divmod(count, processes)
    first = rank * each + min(rank, more)
    return first, first + each + (rank < more)


def contexts_in(tokens: int, context: int, key: str) -> int:
    """Return how many contexts a batch of `tokens` has; `key` says where it is set.

    Raises UserError if they do not divide.
    """
    if tokens < context or tokens % context:
        near = max(1, round(tokens / context)) * context
        raise UserError(
            f"{key} is {tokens} tokens, but a batch has whole contexts of {context} tokens (data.context); set it to a "
            f"multiple, such as {near}"
        )
    return tokens // context


def _signed(kind: np.dtype[Any]) -> np.dtype[Any]:
    return kind if kind.itemsize == 1 else np.dtype(np.int16)
