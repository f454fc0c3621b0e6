"""What the settings of an estimator change, and what becomes of an evaluation that fails."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, get_args

import pytest
from test_estimation_known import estimated
from tiny_world import CONVOLUTION, MIXED, RECIPE

from nas_steps.config.estimators import Proxy
from nas_steps.errors import UserError
from nas_steps.estimation.estimates import Estimate, read_estimates
from nas_steps.estimation.estimators import short_training
from nas_steps.estimation.zero_cost import PROXIES
from nas_steps.facts import FEWEST_FINISHED, FEWEST_OBSERVED
from nas_steps.training.networks import train_network


def test_the_config_knows_every_proxy_and_no_other() -> None:
    assert set(get_args(Proxy)) == set(PROXIES)


def test_the_config_and_the_curves_agree_on_the_fewest_epochs_and_residuals() -> None:
    assert (FEWEST_OBSERVED, FEWEST_FINISHED) == (FEWEST_OBSERVED, FEWEST_FINISHED)


def test_seeds_are_averaged_and_the_first_is_the_one_alone(
    tmp_path: Path, data: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (alone,) = read_estimates([estimated(tmp_path, data, "one", [MIXED])])
    parts: list[Estimate] = []
    mean = short_training.mean
    monkeypatch.setattr(short_training, "mean", lambda found: (parts.extend(found), mean(found))[1])
    (both,) = read_estimates([estimated(tmp_path, data, "two", [MIXED], search__estimator=RECIPE | {"seeds": 2})])
    assert parts[0].score == alone.score
    assert both.score == pytest.approx((parts[0].score + parts[1].score) / 2)
    assert both.epochs == 2 * alone.epochs


def test_a_part_of_the_images_at_a_lower_resolution_is_what_is_trained_on(
    tmp_path: Path, data: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, int]] = []
    train = train_network

    def spy(architecture: str, network: Any, recipe: Any, images: Any, **named: Any) -> Any:
        seen.append((len(images.train), images.side))
        return train(architecture, network, recipe, images, **named)

    monkeypatch.setattr("nas_steps.estimation.shard.train_network", spy)
    estimated(tmp_path, data, "one", [MIXED], search__estimator=RECIPE | {"images": 0.5, "resolution": 6})
    assert seen == [(30, 6)]


@pytest.mark.parametrize("error", [UserError("too small"), MemoryError("none left")])
def test_a_failed_evaluation_is_a_result_and_an_unknown_error_is_raised(
    tmp_path: Path, data: str, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    train = train_network

    def broken(architecture: str, *rest: Any, **named: Any) -> Any:
        if architecture == MIXED:
            raise error
        return train(architecture, *rest, **named)

    monkeypatch.setattr("nas_steps.estimation.shard.train_network", broken)
    failed, sound = read_estimates([estimated(tmp_path, data, "one", [MIXED, CONVOLUTION])])
    assert (failed.status, failed.fitness) == ("failed", -math.inf)
    assert str(error) in failed.reason
    assert sound.status == "ok"
    error = RuntimeError("a mistake of the program")
    with pytest.raises(RuntimeError, match="a mistake of the program"):
        estimated(tmp_path, data, "two", [MIXED], seed=1)
