"""An exported language model: token by token as torch, scored as the training scores, continued."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from language_world import CONTEXT, PLAIN, WHOLE, language_file, prepared_text
from made_up_text import prose
from torch.nn import functional as F

from nas_steps.data.text.batches import DeviceText
from nas_steps.data.text.store import load_part, read_tokens
from nas_steps.data.text.tokens import START, Bytes
from nas_steps.errors import UserError
from nas_steps.generation import LanguageSession, Windows, drawn, open_language, windows_of, windows_of_text
from nas_steps.metrics import bits_per_byte
from nas_steps.models.language.network import LanguageModel


def opened(architecture: str = PLAIN, context: int = CONTEXT) -> tuple[LanguageSession, LanguageModel]:
    path, network = language_file(architecture, context)
    return open_language(path, onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])), network


@pytest.mark.parametrize("architecture", [PLAIN, WHOLE, "lm_v256_d16_nope_rmsplain/2x_none+gelu_e2"])
def test_the_file_computes_token_by_token_what_torch_computes_of_the_whole(architecture: str) -> None:
    session, network = opened(architecture)
    for sequences in (1, 3):
        tokens = np.random.default_rng(sequences).integers(0, 256, (sequences, CONTEXT))
        with torch.no_grad():
            whole = network(torch.from_numpy(tokens)).numpy()
        assert whole.std() > 0.3
        past = session.start(sequences)
        branch = past
        for place in range(CONTEXT):
            branch = past if place == 7 else branch
            logits, past = session.step(tokens[:, place], past)
            np.testing.assert_allclose(logits, whole[:, place], rtol=1e-4, atol=1e-4)
        # a state stays as it was
        again, _ = session.step(tokens[:, 7], branch)
        np.testing.assert_allclose(again, whole[:, 7], rtol=1e-4, atol=1e-4)


def test_a_state_has_no_more_than_its_mixer_needs() -> None:
    session, _ = opened(WHOLE)
    past = session.start(2)
    for _ in range(CONTEXT):
        _, past = session.step(np.zeros(2, np.int64), past)
    shapes = {name: tensor.shape for name, tensor in past.state.items()}
    assert shapes["layer0.keys"] == (2, 4, CONTEXT, 4)
    assert shapes["layer1.tokens"] == (2, 16, 2)
    assert shapes["layer2.values"] == (2, 2, 5, 4)
    assert shapes["layer3.state"] == (2, 2, 4, 8)
    assert shapes["layer5.state"] == (2, 1, 16)
    # a window beyond the context is none
    assert shapes["layer6.keys"] == (2, 4, CONTEXT, 4)


@pytest.mark.parametrize("tokens", ["bytes", "bpe"])
@pytest.mark.parametrize("context", [5, 12, 10**6])
def test_windows_are_those_of_the_training(tokens: str, context: int) -> None:
    if tokens == "bpe":
        pytest.importorskip("tokenizers")
    part, kind = load_part(prepared_text(tokens), "test"), read_tokens(prepared_text(tokens))
    context = min(context, len(part) - 1)
    (theirs,) = DeviceText([part], kind, context, "cpu").windows(10**6)
    ours = windows_of(part.tokens, part.starts, context)
    for one, other in zip(ours, (theirs.inputs, theirs.targets, theirs.counted), strict=True):
        np.testing.assert_array_equal(one, other.numpy())
    some = windows_of(part.tokens, part.starts, context, 3)
    assert len(some.inputs) == min(3, len(ours.inputs))
    for row in some.inputs:
        assert (ours.inputs == row).all(1).any()


def test_a_limit_takes_different_full_windows_of_all_the_text() -> None:
    stream = np.arange(1, 42)
    some = windows_of(stream, [], 4, 5)
    assert some.inputs[:, 0].tolist() == [1, 9, 17, 29, 37]
    assert some.counted.all()
    assert windows_of(stream[:-2], [], 4, 9).counted.all()


def test_a_score_is_that_of_torch() -> None:
    session, network = opened()
    content = prose(99, 333) + b"\0\xff\xfe"
    windows = windows_of_text(Bytes(), content, CONTEXT)
    found = session.score(windows)
    assert (found.bytes, found.tokens) == (336, 336)
    stream = torch.tensor([START, *content, START, START])
    nats = right = 0.0
    for first in range(0, 336, CONTEXT):
        with torch.no_grad():
            logits = network(stream[None, first : first + CONTEXT])[0]
        targets = stream[first + 1 : first + CONTEXT + 1]
        kept = min(CONTEXT, 336 - first)
        nats += float(F.cross_entropy(logits[:kept], targets[:kept], reduction="sum"))
        right += int((logits.argmax(1) == targets)[:kept].sum())
    assert found.nats == pytest.approx(nats, rel=1e-5)
    assert found.bits_per_byte == pytest.approx(bits_per_byte(np.array(nats), np.array(336)), rel=1e-5)
    assert found.accuracy == right / 336


def test_a_text_goes_on_as_the_network_predicts() -> None:
    session, network = opened(WHOLE)
    found = list(session.continued(b"ka", 5, temperature=0))
    numbers = [START, *b"ka"]
    for _ in range(5):
        with torch.no_grad():
            logits = network(torch.tensor([numbers]))[0, -1]
        logits[START] = -torch.inf
        numbers.append(int(logits.argmax()))
    assert found == numbers[3:]
    assert len(set(found)) > 1


class Recorded:
    """Predicts the next number, and remembers what it read."""

    def __init__(self) -> None:
        self.read: list[tuple[int, int]] = []

    def get_inputs(self) -> list[Any]:
        return [type("Input", (), {"name": name, "shape": ["batch"]}) for name in ("tokens", "position")]

    def run(self, _: None, feed: dict[str, Any]) -> list[Any]:
        self.read.append((int(feed["position"]), int(feed["tokens"][0])))
        return [np.eye(256, dtype=np.float32)[[int(feed["tokens"][0] + 1) % 256]]]


def test_a_full_context_is_read_anew_from_its_last_half() -> None:
    model = Recorded()
    session = LanguageSession(model, Bytes(), 6)
    assert list(session.continued(bytes([1, 2, 3]), 6, temperature=0)) == [4, 5, 6, 7, 8, 9]
    assert model.read[:6] == [(0, 0), (1, 1), (2, 2), (3, 3), (4, 4), (5, 5)]
    assert model.read[6:] == [(0, 4), (1, 5), (2, 6), (3, 7), (4, 8)]
    model.read.clear()
    assert list(session.continued(bytes(range(1, 40)), 2, temperature=0)) == [40, 41]
    assert model.read == [(0, 37), (1, 38), (2, 39), (3, 40)]


def test_tokens_are_drawn_by_their_probabilities_and_the_seed() -> None:
    logits = np.array([9.0, 0.0, 1.0, 2.0, -np.inf])
    dice = np.random.default_rng(0)
    counts = np.bincount([drawn(logits, 1.0, dice) for _ in range(20_000)], minlength=5) / 20_000
    expected = np.exp([0.0, 1.0, 2.0]) / np.exp([0.0, 1.0, 2.0]).sum()
    assert counts[[0, 4]].tolist() == [0, 0]
    # three standard deviations
    np.testing.assert_allclose(counts[1:4], expected, atol=3 * 0.5 / 20_000**0.5)
    cold = [drawn(logits, 0.1, dice) for _ in range(500)]
    assert cold.count(3) > 490
    assert drawn(logits, 0.0, dice) == 3
    session, _ = opened()
    one, same, other = (list(session.continued(b"ka", 20, seed=seed)) for seed in (1, 1, 2))
    assert one == same != other


def test_the_largest_draw_is_a_token() -> None:
    class Last:
        def random(self) -> float:
            return 1.0

    logits = np.array([5.0, 0.1, 0.2, -800.0])
    assert drawn(logits, 1.0, Last()) in (2, 3)  # type: ignore[arg-type]


def test_no_window_costs_nothing() -> None:
    session, _ = opened()
    none = Windows(np.zeros((1, 3), np.int64), np.zeros((1, 3), np.int64), np.zeros((1, 3), bool))
    nats, right = session.costs(none)
    assert not nats.any()
    assert not right.any()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"context": "many"}, "does not take int64 tokens, or does not say its tokens, vocabulary and context"),
        ({"tokens": "words"}, "it was not exported by nas-steps"),
        ({"vocabulary": "255"}, "it was not exported by nas-steps"),
        ({"tokens": "bpe"}, "reads byte pairs, but .*tokenizer.json is missing; copy it"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(changed: dict[str, str], words: str, tmp_path: Path) -> None:
    path, _ = language_file()
    real = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    properties = dict(real.get_modelmeta().custom_metadata_map) | changed

    class Changed:
        get_inputs, get_outputs = real.get_inputs, real.get_outputs

        def get_modelmeta(self) -> Any:
            return type("Meta", (), {"custom_metadata_map": properties})

    with pytest.raises(UserError, match=words):
        open_language(tmp_path / "model.onnx", Changed())
