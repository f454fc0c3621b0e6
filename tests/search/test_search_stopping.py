"""When a search ends early, told from made-up rows."""

from __future__ import annotations

from typing import Any

import pytest
from small_supernets import supernet

from nas_steps.config.strategies import GRADIENT, DartsPlus, EarlyStopEigenvalue
from nas_steps.search.darts.learner import DartsLearner, learner_of


def learner_with(settings: Any) -> DartsLearner:
    return learner_of(settings.kind)(supernet(), settings)


def ended(settings: Any, rows: list[dict[str, Any]]) -> tuple[int, str]:
    """After how many epochs the search ends (0: never), and why."""
    learner = learner_with(settings)
    for count in range(1, len(rows) + 1):
        if reason := learner.reason_to_stop(rows[:count]):
            return count, reason
    return 0, ""


def chosen_epoch(settings: Any, rows: list[dict[str, Any]]) -> int:
    return learner_with(settings).chosen_epoch(rows)


def skipping(*skips: int) -> list[dict[str, Any]]:
    """Rows in which the ranking is always another one."""
    return [{"skips": count, "ranking": {"normal": [[place, 0]]}} for place, count in enumerate(skips)]


def ranked(*rankings: int) -> list[dict[str, Any]]:
    return [{"skips": 0, "ranking": {"normal": [[0, 1], [place, 0]]}} for place in rankings]


def sharp(*values: float) -> list[dict[str, Any]]:
    return [{"eigenvalue": value} for value in values]


def test_darts_plus_stops_at_so_many_skip_connections() -> None:
    settings = DartsPlus(stop_skips=2)
    count, reason = ended(settings, skipping(0, 1, 1, 2, 3))
    assert count == 4
    assert reason == "the normal cell has 2 skip connections after epoch 4"
    assert chosen_epoch(settings, skipping(0, 1, 1, 2)) == 3
    assert ended(DartsPlus(stop_skips=4), skipping(0, 1, 1, 2, 3)) == (0, "")


def test_darts_plus_does_not_stop_while_the_weights_warm_up() -> None:
    settings = DartsPlus(stop_skips=2, warmup_epochs=3)
    assert ended(settings, skipping(2, 2, 2, 1, 2))[0] == 5
    assert ended(settings, skipping(2, 2, 2, 2))[0] == 4


def test_darts_plus_stops_when_the_ranking_is_stable() -> None:
    settings = DartsPlus(stop_stable=3)
    count, reason = ended(settings, ranked(5, 6, 7, 7, 7, 8, 8, 8, 8, 8))
    assert count == 9  # the fourth with the same: it did not change in three
    assert reason == "the ranking of the operations did not change in 3 epochs"
    assert ended(settings, ranked(1, 2) * 10) == (0, "")
    assert chosen_epoch(settings, ranked(8, 8, 8, 8)) == 3


def test_a_ranking_of_the_warm_up_does_not_count() -> None:
    # the alphas do not move while the weights warm up
    settings = DartsPlus(stop_stable=3, warmup_epochs=4)
    assert ended(settings, ranked(*[1] * 20))[0] == 4 + 4
    assert ended(settings, ranked(1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2))[0] == 11


def test_any_change_of_any_ranking_is_one() -> None:
    rows = ranked(1, 1, 1, 1)
    rows[2]["ranking"] = {"normal": [[1, 0], [1, 0]]}
    assert ended(DartsPlus(stop_stable=3), rows) == (0, "")


WINDOW = {"window": 2, "ratio": 0.75}


def test_a_rising_eigenvalue_ends_the_search_and_its_window_is_taken_back() -> None:
    settings = EarlyStopEigenvalue(**WINDOW)
    rows = sharp(0.3, 0.3, 0.3, 0.3, 0.35, 0.5, 0.9)
    # means of two: 0.3 and 0.425 are no fourth apart from each other before epoch 6: 0.3 / 0.425 = 0.71
    count, reason = ended(settings, rows)
    assert count == 6
    assert "rose from 0.3 to 0.425 over 2 epochs, by epoch 6" in reason
    assert chosen_epoch(settings, rows[:count]) == count - 1 - 2
    assert chosen_epoch(settings, rows[:5]) == 4


@pytest.mark.parametrize("values", [[0.5] * 30, [1.0 - 0.03 * place for place in range(30)]])
def test_an_eigenvalue_that_does_not_rise_ends_nothing(values: list[float]) -> None:
    settings = EarlyStopEigenvalue()
    assert ended(settings, sharp(*values)) == (0, "")
    assert chosen_epoch(settings, sharp(*values)) == 29


def test_the_default_window_of_five_is_that_of_the_paper() -> None:
    # Zela et al. 2020, section 4.3: stop if mean(i - 5) / mean(i) < 0.75, and return to epoch i - 5
    values = [0.2] * 12 + [0.2 + 0.05 * place for place in range(1, 10)]
    count, _ = ended(EarlyStopEigenvalue(), sharp(*values))

    def mean(end: int) -> float:
        return sum(values[end - 5 : end]) / 5

    wanted = next(end for end in range(10, len(values)) if mean(end - 5) / mean(end) < 0.75)
    assert count == wanted
    assert chosen_epoch(EarlyStopEigenvalue(), sharp(*values[:count])) == count - 1 - 5


def test_nothing_is_decided_before_there_are_two_windows_after_the_warm_up() -> None:
    values = sharp(0.1, 0.1, 10, 10, 10, 10, 10)
    assert ended(EarlyStopEigenvalue(**WINDOW), values)[0] == 4
    assert ended(EarlyStopEigenvalue(**WINDOW, warmup_epochs=2), values) == (0, "")


def test_eigenvalues_below_zero_or_unknown_end_nothing() -> None:
    settings = EarlyStopEigenvalue(**WINDOW)
    assert ended(settings, sharp(-1, -1, 5, 5)) == (0, "")
    assert ended(settings, sharp(1, 1, -1, -1, -1)) == (0, "")
    assert ended(settings, sharp(1, 1, 0, 0)) == (0, "")
    assert ended(settings, sharp(0.1, 0.1, float("nan"), 5.0)) == (0, "")


@pytest.mark.parametrize("kind", [kind for kind in GRADIENT if kind not in (DartsPlus, EarlyStopEigenvalue)])
def test_the_others_run_to_their_end(kind: Any) -> None:
    rows = [{"skips": 9, "ranking": {}, "eigenvalue": 2.0**place} for place in range(20)]
    assert ended(kind(), rows) == (0, "")
    assert chosen_epoch(kind(), rows) == 19
