"""Counts on the device, against the metrics of all predictions."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nas_steps.metrics import METRICS, value
from nas_steps.models.tally import Tally

LOGITS = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(50).remainder(7).clamp(max=3)


def tallied(metric: str, chosen: slice = slice(None)) -> Tally:
    tally = Tally(metric)
    for logits, labels in zip(LOGITS[chosen].split(8), LABELS[chosen].split(8), strict=True):
        tally.add(logits, labels)
    return tally


@pytest.mark.parametrize("metric", METRICS)
def test_batches_are_judged_as_a_whole(metric: str) -> None:
    predicted, labels = LOGITS.argmax(1).numpy(), LABELS.numpy()
    assert tallied(metric).value() == pytest.approx(value(metric, predicted, labels, 4), abs=1e-12)
    assert tallied(metric).accuracy() == np.mean(predicted == labels)


@pytest.mark.parametrize("metric", METRICS)
def test_processes_add_up_their_counts_be_they_without_a_batch(metric: str) -> None:
    parts = [tallied(metric, slice(20)), tallied(metric, slice(20, 50)), Tally(metric)]
    shapes = [0 if part._counts is None else part._counts.shape[1] for part in parts]
    sent: list[list[torch.Tensor]] = []

    def largest(_own: int) -> list[int]:
        return [max(shapes)]

    for part in parts:
        mine: list[torch.Tensor] = []
        part.add_up(lambda one, mine=mine: [mine.append(one) or one], largest, torch.device("cpu"))
        sent.append(mine)
    totals = [sum(several) for several in zip(*sent, strict=True)]
    for part in parts:
        answers = iter(totals)
        part.add_up(lambda _, answers=answers: [next(answers)], largest, torch.device("cpu"))
        assert part.value(50) == tallied(metric).value()
        assert part.accuracy(50) == tallied(metric).accuracy()


def test_nothing_has_no_value() -> None:
    with pytest.raises(ValueError, match="no images"):
        Tally("macro_f1").value()
