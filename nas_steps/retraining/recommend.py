"""Recommend a network by its validation figures alone: of those that may be the best, the cheapest. No torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

import numpy as np

from nas_steps.errors import exact
from nas_steps.metrics import ACCURACY, figure_of
from nas_steps.retraining.comparison import Pool, Side, contrast, network, pooled
from nas_steps.retraining.summary import Metrics, by_entry, mean_of, needed, network_of, sound, strategy_of
from nas_steps.wording import in_words

BY_VALID, BY_RANKING = "valid", "ranking"
RULES = {
    BY_VALID: "Of the networks that may be the most accurate, the one with the fewest multiply-accumulates. A network "
    "may be if the 95 % interval of its difference to the best validation accuracy holds 0.",
    BY_RANKING: "The final trainings learnt the validation images, so the ranking's validation accuracies choose: the "
    "best ranked winner of the searches. Networks outside the ranking were not validated and are not considered.",
}
AT_MOST = " It may be at most {points} points below."
NONE_SOUND = {
    BY_VALID: "every network has a training that diverged, is missing or is at chance level",
    BY_RANKING: "every winner of the ranking has a training that diverged or is missing",
}


@dataclass(frozen=True)
class Candidate:
    """The figures of a network that a choice may use. There is none of the test set among them.

    `valid` is the validation figure, by the experiment's metric, of each sound training by seed, None without one;
    `correct` are the images' contributions to it (sound trainings, validation images), for accuracy 1 if right, None if
    they were trained on; `score` is the ranking's figure, NaN without one; `valid_accuracy` is the mean accuracy.
    `constraints` says whether it keeps those of the searches: kept, broken, unknown; None if there are none.
    """

    entry: str
    kind: str
    strategy: str
    architecture: str
    parameters: int | None
    macs: int | None
    trainings: int
    valid: Mapping[int, float | None]
    correct: np.ndarray | None = None
    score: float = math.nan
    constraints: str | None = None
    valid_accuracy: float = math.nan
    worth: float = 1.0
    weights: str | None = None
    image_df: float = math.inf

    @property
    def all_sound(self) -> bool:
        return len(self.valid) == self.trainings

    @property
    def seed(self) -> int | None:
        """The seed of the sound training of best validation figure, the lowest if none is known; None without one."""
        return max(self.valid, key=lambda seed: (_known(self.valid[seed]), -seed), default=None)

    @property
    def figure(self) -> float:
        """The mean validation figure of the sound trainings; NaN if none is known."""
        values = [value for value in self.valid.values() if value is not None]
        return fmean(values) if values else math.nan

    @property
    def fits(self) -> bool:
        """Whether it is known to keep the searches' constraints."""
        return self.constraints not in ("broken", "unknown")

    @property
    def network(self) -> str:
        """What trainings are shared by: the architecture, unless the network starts or learns as no other one."""
        return network_of({key: getattr(self, key) for key in ("entry", "kind", "architecture", "weights")})

    @property
    def size(self) -> tuple[int, int]:
        """MACs, then parameters: the order of what is cheaper."""
        return self.macs or 0, self.parameters or 0

    @property
    def file(self) -> str:
        """The exported network, below the folder of the experiment."""
        return f"export/{self.entry}/model.onnx"


def _known(value: float | None) -> float:
    return -math.inf if value is None or math.isnan(value) else value


def candidates(
    trainings: Sequence[Metrics],
    correct: Mapping[tuple[str, int], np.ndarray],
    scores: Mapping[str, float],
    chance: float = 0.0,
    worth: float = 1.0,
    image_df: float = math.inf,
) -> list[Candidate]:
    """Return a candidate for each entry that was to be trained, in the order given.

    `correct` are contributions (validation images,) by entry and seed; `scores` are figures of the ranking by entry;
    `worth` and `image_df` are those of `comparison.Side`. A training whose validation figure is not above `chance`
    counts as unsound if another one of the network is.
    """

    def above(metrics: Metrics) -> bool:
        known = figure_of(metrics, "valid")
        return known is None or known > chance

    found = []
    for name, mine in by_entry(needed(trainings)).items():
        ok = sound(mine)
        ok = list(filter(above, ok)) or ok
        first = (ok or mine)[0]
        rows = [correct[name, metrics["seed"]] for metrics in ok if (name, metrics["seed"]) in correct]
        found.append(
            Candidate(
                name,
                first["kind"],
                strategy_of(first),
                **{key: first[key] for key in ("architecture", "parameters", "macs")},
                trainings=len(mine),
                valid={metrics["seed"]: figure_of(metrics, "valid") for metrics in ok},
                correct=np.stack(rows) if rows else None,
                score=scores.get(name, math.nan),
                constraints=first.get("constraints"),
                valid_accuracy=mean_of(ok, "valid_accuracy"),
                worth=worth,
                weights=first.get("weights"),
                image_df=image_df,
            )
        )
    return found


@dataclass(frozen=True)
class Choice:
    """What was chosen among candidates, by `judged_by`; `best` is the most accurate one.

    `differences` are best minus each candidate that was compared, by entry: difference, low, high.
    """

    judged_by: str
    chosen: Candidate | None = None
    best: Candidate | None = None
    differences: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    more_accurate: Candidate | None = None
    smaller: Candidate | None = None
    exported: tuple[str, ...] = ()
    tolerance: float = 1.0

    @property
    def rule(self) -> str:
        """The rule in words."""
        limited = self.judged_by == BY_VALID and self.tolerance < 1
        return RULES[self.judged_by] + (AT_MOST.format(points=exact(100 * self.tolerance)) if limited else "")

    def accuracy(self, candidate: Candidate) -> float:
        """Return the accuracy that the choice goes by; NaN if there is none."""
        return _accuracy(candidate, self.judged_by)


def _accuracy(candidate: Candidate, judged_by: str) -> float:
    return candidate.figure if judged_by == BY_VALID else candidate.score


def choose(given: Sequence[Candidate], judged_by: str, tolerance: float = 1.0) -> Choice:
    """Choose the network to recommend, its alternatives and what is exported.

    A network with an unsound training is not considered, nor one that breaks the searches' constraints or may do so.
    The recommended one is at most `tolerance` below the best. By the ranking, the best is chosen, since its images are
    no longer there to compare on.
    """
    judged = [one for one in given if one.all_sound and one.fits and not math.isnan(_accuracy(one, judged_by))]
    if not judged:
        return Choice(judged_by, exported=_of_each_kind(given, judged_by), tolerance=tolerance)
    # of equals the cheaper, then the first
    best = min(judged, key=lambda one: (-_accuracy(one, judged_by), one.size))
    chosen, differences = best, {}
    if judged_by == BY_VALID:
        pool = pool_of(given)
        differences = {one.entry: difference(best, one, pool) for one in judged if one is not best}
        close = [one for one in judged if one is best or differences[one.entry]["low"] <= 0]
        # a figure is a number of images: a difference in the last bit is none
        close = [one for one in close if best.figure - one.figure <= tolerance + 1e-9]
        chosen = min(close, key=lambda one: (one.size, -one.figure))
    cheaper = [one for one in front(judged, judged_by) if one.size[0] < chosen.size[0]]
    smaller = max(cheaper, key=lambda one: one.size, default=None)
    more_accurate = best if best is not chosen else None
    named = [one.entry for one in (chosen, more_accurate, smaller) if one is not None]
    exported = tuple(dict.fromkeys([*named, *_of_each_kind(given, judged_by)]))
    return Choice(judged_by, chosen, best, differences, more_accurate, smaller, exported, tolerance)


def pool_of(given: Sequence[Candidate]) -> Pool | None:
    """Pool the variance of validation accuracies between trainings of one network; those of one network count once."""
    networks = {one.network: one.correct for one in given if one.correct is not None}
    return pooled([(correct.mean(axis=1), correct) for correct in networks.values()])


def difference(first: Candidate, second: Candidate, pool: Pool | None) -> dict[str, float]:
    """Return the difference of two networks' mean validation figures and its 95 % interval: `contrast` without p."""

    def side(one: Candidate) -> Side:
        # what is judged by validation has predictions of it
        assert one.correct is not None
        correct = one.correct.astype(float)
        return network(correct.mean(axis=1), pool, correct, worth=one.worth, image_df=one.image_df)

    found = contrast(side(first), side(second))
    return {"difference": found.difference, "low": found.low, "high": found.high}


def front(given: Sequence[Candidate], judged_by: str) -> list[Candidate]:
    """Return the candidates that no other one beats in accuracy or MACs without being worse in the other; ties stay."""

    def beats(other: Candidate, one: Candidate) -> bool:
        gains = (_accuracy(other, judged_by) - _accuracy(one, judged_by), one.size[0] - other.size[0])
        return min(gains) >= 0 and max(gains) > 0

    return [one for one in given if not any(beats(other, one) for other in given)]


def _of_each_kind(given: Sequence[Candidate], judged_by: str) -> tuple[str, ...]:
    """Return the best candidate of each kind with a sound training; the first of a kind that was not validated."""
    best: dict[str, Candidate] = {}
    for one in given:
        if one.seed is None:
            continue
        before = best.get(one.kind)
        if before is None or _merit(one, judged_by) > _merit(before, judged_by):
            best[one.kind] = one
    return tuple(one.entry for one in best.values())


def _merit(one: Candidate, judged_by: str) -> tuple[bool, float]:
    return one.all_sound, _known(_accuracy(one, judged_by))


def recommendation(
    given: Sequence[Candidate], choice: Choice, tests: Mapping[str, Mapping[str, float]], metric: str = ACCURACY
) -> dict[str, Any]:
    """Return recommended.json: the choice, which is made, with the test figures of each network.

    `tests` are test_accuracy, test_metric, and test_low and test_high of the latter, by entry: shown, they chose
    nothing.
    """
    shown = {one.entry: _figures(one, tests.get(one.entry, {})) for one in given}
    roles = {"more accurate": choice.more_accurate, "smaller": choice.smaller}
    empty = dict.fromkeys(_figures(Candidate("", "", "", "", None, None, 0, {}), {}))
    chosen, best = choice.chosen, choice.best
    behind = None
    if chosen is not None and best is not None and chosen is not best:
        behind = {"entry": best.entry, **choice.differences[chosen.entry]}
    return {
        **(empty if chosen is None else shown[chosen.entry]),
        "reason": NONE_SOUND[choice.judged_by] if chosen is None else "",
        "rule": in_words(choice.rule, metric),
        "metric": metric,
        "judged_by": choice.judged_by,
        "behind_best": behind,
        "alternatives": [{"role": role, **shown[one.entry]} for role, one in roles.items() if one is not None],
        "considered": [{**shown[one.entry], **_compared(one, choice), "note": _note(one, choice)} for one in given],
        "export": list(choice.exported),
    }


def _figures(one: Candidate, test: Mapping[str, float]) -> dict[str, Any]:
    return {
        **{key: getattr(one, key) for key in ("entry", "kind", "strategy", "architecture", "seed")},
        "file": None if one.seed is None else one.file,
        **{key: getattr(one, key) for key in ("parameters", "macs", "trainings", "valid_accuracy")},
        "valid_metric": one.figure,
        "sound": len(one.valid),
        "ranking_score": one.score,
        **{key: test.get(key, math.nan) for key in ("test_accuracy", "test_metric", "test_low", "test_high")},
    }


def _compared(one: Candidate, choice: Choice) -> dict[str, Any]:
    """Return best minus this candidate on the validation images, and whether 0 is in the interval."""
    found = choice.differences.get(one.entry)
    if found is not None:
        return {"behind": found["difference"], "behind_low": found["low"], "behind_high": found["high"]} | {
            "may_be_best": found["low"] <= 0
        }
    empty = dict.fromkeys(("behind", "behind_low", "behind_high"))
    return empty | {"may_be_best": choice.best is not None and one.entry == choice.best.entry}


def _note(one: Candidate, choice: Choice) -> str:
    """Say why a candidate was not considered; empty if it was."""
    if not one.valid:
        return "no sound training"
    if not one.all_sound:
        return f"{one.trainings - len(one.valid)} of {one.trainings} trainings diverged, or are at chance level"
    if not one.fits:
        return "it breaks the constraints" if one.constraints == "broken" else "what it costs on the device is unknown"
    return "not validated" if math.isnan(choice.accuracy(one)) else ""
