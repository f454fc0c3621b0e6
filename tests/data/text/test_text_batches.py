"""Contexts to train on, and windows that score each byte once."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import nas_steps.data.batches as images
from nas_steps.data.text.batches import DeviceText, contexts_in, shared
from nas_steps.data.text.store import Part, load_part, read_tokens
from nas_steps.data.text.tokens import Bytes
from nas_steps.errors import UserError
from nas_steps.metrics import bits_per_byte

Run = Callable[..., dict[str, Any]]
Write = Callable[..., Path]
T = 8


def part_of(*documents: bytes) -> Part:
    stream = b"".join(b"\0" + one for one in documents)
    sizes = np.array([len(one) for one in documents], np.int64)
    starts = np.cumsum(sizes + 1) - sizes - 1
    return Part(np.frombuffer(stream, np.uint8), starts, sizes, [str(one) for one in range(len(documents))])


def text_of(*documents: bytes, context: int = T) -> DeviceText:
    return DeviceText([part_of(*documents)], Bytes(), context, "cpu")


DOCUMENTS = (b"the first document\0 has a zero", b"x", b"and the third one is the last, of 41 bytes")


@pytest.fixture(params=["bytes", "bpe"])
def prepared(request: pytest.FixtureRequest, run_text: Run, written: Write, tmp_path: Path) -> Path:
    keys = {}
    if request.param == "bpe":
        pytest.importorskip("tokenizers")
        keys = {"tokens": "bpe", "vocabulary": 600}
    run_text(written({f"{number}.txt": 500 + 41 * number for number in range(12)}), **keys)
    return tmp_path / "out"


def device_text(out: Path, *parts: str) -> DeviceText:
    return DeviceText([load_part(out, part) for part in parts], read_tokens(out), T, "cpu")


# ------------------------------------------------------------------------------------------------ training


def test_contexts_are_pieces_of_the_text_from_anywhere(prepared: Path) -> None:
    text, tokens = device_text(prepared, "train"), load_part(prepared, "train").tokens
    pieces = {tuple(tokens[start : start + T + 1].tolist()) for start in range(len(tokens) - T)}
    seen = [tuple(row) for batch in text.batches(64, seed=0, steps=20) for row in batch.tolist()]
    assert {len(seen), *map(len, seen)} == {20 * 64, T + 1}
    assert set(seen) <= pieces
    assert len(set(seen)) > 600


def test_every_place_is_drawn() -> None:
    text = text_of(bytes(range(1, 31)), context=4)
    firsts = torch.cat([batch[:, 0] for batch in text.batches(50, seed=0, steps=40)])
    assert sorted(set(firsts.tolist())) == list(range(27))  # 31 tokens, and 4 after the first
    counts = firsts.bincount().double()
    assert ((counts - counts.mean()).abs() < 5 * counts.mean().sqrt()).all()


def test_contexts_depend_on_the_seed_and_the_step_alone(prepared: Path) -> None:
    text = device_text(prepared, "train")
    whole = list(text.batches(6, seed=3, steps=9))
    for start in (4, 8):
        resumed = list(device_text(prepared, "train").batches(6, seed=3, steps=9, start=start))
        assert len(resumed) == 9 - start
        assert all(torch.equal(one, other) for one, other in zip(resumed, whole[start:], strict=True))
    assert not torch.equal(whole[0], whole[1])
    assert not torch.equal(whole[0], next(text.batches(6, seed=4, steps=1)))


@pytest.mark.parametrize("parts", [["train"], ["train", "valid", "test"]])
def test_text_read_ahead_from_files_gives_the_same(
    prepared: Path, monkeypatch: pytest.MonkeyPatch, parts: list[str]
) -> None:
    resident = device_text(prepared, *parts)
    monkeypatch.setattr(images, "CPU_LIMIT", 0)
    streamed = device_text(prepared, *parts)
    assert resident._resident is not None
    assert streamed._resident is None
    for one, other in zip(resident.batches(50, seed=0, steps=12), streamed.batches(50, seed=0, steps=12), strict=True):
        assert torch.equal(one, other)
    for one, other in zip(resident.windows(7), streamed.windows(7), strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one[:4], other[:4], strict=True))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.parametrize("share", [images.GPU_SHARE, 0.0], ids=["resident", "streamed"])
def test_a_gpu_gets_the_same(prepared: Path, monkeypatch: pytest.MonkeyPatch, share: float) -> None:
    monkeypatch.setattr(images, "GPU_SHARE", share)
    part, tokens = load_part(prepared, "train"), read_tokens(prepared)
    there, here = DeviceText([part], tokens, T, "cuda"), device_text(prepared, "train")
    for one, other in zip(there.batches(50, seed=0, steps=12), here.batches(50, seed=0, steps=12), strict=True):
        assert one.device.type == "cuda"
        assert torch.equal(one.cpu(), other)

    def nats(inputs: Tensor, targets: Tensor) -> Tensor:
        return (inputs % 7 + targets % 5).double()

    for name, sums in there.score(nats, 7)._asdict().items():
        assert np.array_equal(sums, getattr(here.score(nats, 7), name))


def test_numbers_above_32767_survive() -> None:
    class Many(Bytes):
        size = 2**16
        kind = np.dtype(np.uint16)
        bytes_of = np.ones(2**16, np.int64)

    numbers = np.array([0, *range(65_500, 65_536)], np.uint16)
    part = Part(numbers, np.array([0]), np.array([36]), ["a"])
    text = DeviceText([part], Many(), 4, "cpu")
    assert torch.cat([one.targets[one.counted] for one in text.windows(3)]).tolist() == numbers[1:].tolist()


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_processes_share_each_batch(processes: int) -> None:
    text = text_of(*DOCUMENTS)
    ranks = [list(text.batches(7, seed=1, steps=3, rank=rank, processes=processes)) for rank in range(processes)]
    for whole, *shares in zip(text.batches(7, seed=1, steps=3), *ranks, strict=True):
        assert torch.equal(torch.cat(shares), whole)
        assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_shares() -> None:
    assert [shared(7, rank, 3) for rank in range(3)] == [(0, 3), (3, 5), (5, 7)]
    with pytest.raises(ValueError, match="2 rows cannot be shared out over 3 processes"):
        shared(2, 0, 3)


# ---------------------------------------------------------------------------------------------- evaluation


@pytest.mark.parametrize("context", [2, 5, 8, 73, 74])
@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_each_byte_is_predicted_once_from_those_before_it(context: int, batch_size: int) -> None:
    text = text_of(*DOCUMENTS, context=context)
    stream = b"".join(b"\0" + one for one in DOCUMENTS)
    told = []
    for batch in text.windows(batch_size):
        assert batch.inputs.shape == batch.targets.shape == batch.counted.shape == batch.positions.shape
        assert batch.inputs.shape[1] == context
        for inputs, targets, counted, positions in zip(*batch[:4], strict=True):
            for place in counted.nonzero()[:, 0].tolist():
                position = int(positions[place])
                assert bytes(inputs[: place + 1].tolist()) == stream[position - place - 1 : position]
                assert int(targets[place]) == stream[position]
                told.append(position)
    begins = {0, 1 + len(DOCUMENTS[0]), 2 + len(DOCUMENTS[0]) + len(DOCUMENTS[1])}
    assert told == [one for one in range(len(stream)) if one not in begins]
    assert text.windows_count == math.ceil((len(stream) - 1) / context)


def test_the_uniform_guess_costs_eight_bits(prepared: Path) -> None:
    out = load_part(prepared, "test")
    text, tokens = device_text(prepared, "test"), read_tokens(prepared)
    score = text.score(lambda inputs, _: torch.full(inputs.shape, math.log(tokens.size), dtype=torch.float64), 5)
    assert score.document_bytes.tolist() == out.bytes.tolist()  # bytes, not tokens
    assert score.window_bytes.sum() == out.bytes.sum()
    predicted = len(out) - len(out.starts)
    expected = predicted / out.bytes.sum() * math.log2(tokens.size)
    assert bits_per_byte(score.document_nats, score.document_bytes) == pytest.approx(expected, rel=1e-12)
    assert bits_per_byte(score.window_nats, score.window_bytes) == pytest.approx(expected, rel=1e-12)


def bigrams(stream: bytes) -> Tensor:
    """The log-likelihoods (256, 256) of pairs of neighbours, smoothed."""
    counts = torch.ones(256, 256, dtype=torch.float64)
    for first, second in pairwise(stream):
        counts[first, second] += 1
    return (counts / counts.sum(1, keepdim=True)).log()


@pytest.mark.parametrize("context", [3, 8, 50])
def test_sums_by_document_are_those_of_each_document_alone(context: int) -> None:
    table = bigrams(b"".join(DOCUMENTS))
    score = text_of(*DOCUMENTS, context=context).score(lambda inputs, targets: -table[inputs, targets], 2)
    for nats, size, one in zip(score.document_nats, score.document_bytes, DOCUMENTS, strict=True):
        # one byte of context is all that this model looks at, so the windows' ends do not matter
        alone = -sum(float(table[first, second]) for first, second in zip(b"\0" + one, one, strict=False))
        assert (nats, size) == (pytest.approx(alone, rel=1e-12), len(one))


def test_what_is_not_counted_may_cost_anything() -> None:
    text = text_of(*DOCUMENTS)

    def nats(_: Tensor, targets: Tensor) -> Tensor:
        costs = torch.ones(targets.shape)
        costs[-1, -1] = math.nan  # fills the last window
        return costs

    assert text.score(nats, 1000).document_nats.tolist() == [float(len(one)) for one in DOCUMENTS]


@pytest.mark.parametrize("processes", [2, 3, 5])
def test_scores_of_processes_add_up(processes: int) -> None:
    text, table = text_of(*DOCUMENTS), bigrams(b"".join(DOCUMENTS))

    def nats(inputs: Tensor, targets: Tensor) -> Tensor:
        return -table[inputs, targets]

    whole = text.score(nats, 4)
    shares = [text.score(nats, 4, rank=rank, processes=processes) for rank in range(processes)]
    for name in whole._fields:
        total = sum(getattr(one, name) for one in shares)
        assert np.allclose(total, getattr(whole, name), rtol=1e-12, atol=0)


# ------------------------------------------------------------------------------------------------ bad input


def test_too_short_a_text() -> None:
    assert text_of(b"1234567", context=7).windows_count == 1
    with pytest.raises(ValueError, match="8 tokens have no context of 8 and a token after it"):
        text_of(b"1234567")


def test_tokens_of_another_kind() -> None:
    part = Part(np.zeros(50, np.uint16), np.array([0]), np.array([49]), ["a"])
    with pytest.raises(ValueError, match=r"tokens of type uint8 are wanted, not \['uint16'\]"):
        DeviceText([part], Bytes(), T, "cpu")


def test_a_batch_of_whole_contexts() -> None:
    assert contexts_in(4096, 256, "retrain.recipe.batch_tokens") == 16
    for tokens, near in ((1000, 1024), (100, 256), (1200, 1280)):
        with pytest.raises(UserError) as error:
            contexts_in(tokens, 256, "retrain.recipe.batch_tokens")
        assert str(error.value) == (
            f"retrain.recipe.batch_tokens is {tokens} tokens, but a batch has whole contexts of 256 tokens "
            f"(data.context); set it to a multiple, such as {near}"
        )
