"""Is a rank correlation of tau enough? What choosing among N candidates by such an estimator costs.

The k best scored candidates are trained, and the one with the best accuracy is picked. With --noise the accuracies of
these trainings are noisy, and each candidate is trained --seeds times. All figures count expected accuracy: the mean
over training seeds. Accuracies, spread, noise and tolerance are in one unit, such as percentage points.

Without --pool, score and accuracy follow a Gaussian copula with normal accuracies. --pool names a CSV file with the
columns `score` and `accuracy`, the mean of --seeds trainings, of architectures for which both are known.
Then tau and the distribution of accuracies come from it, and the pool itself predicts too. If the file also has a
column `macs`, a sentence tells whether the score says more than MACs alone.
"""

import math
from collections.abc import Sequence

from nas_steps.errors import UserError
from nas_steps.provenance.files import number, read_csv
from nas_steps.provenance.task import parser
from nas_steps.ranking import given_macs
from nas_steps.ranking.given_macs import beyond_macs
from nas_steps.ranking.sufficiency import ASSURANCE, KS, REPEATS, Choice, Prediction, Simulated, from_pool, from_tau

MODULE = "nas_steps.ranking sufficiency"
POOL = ("score", "accuracy")


def main(arguments: Sequence[str]) -> None:
    options = parser(MODULE, __doc__ or "")
    options.add_argument(
        "--tau", type=float, help="Kendall's tau of score and expected accuracy; needed without --pool"
    )
    options.add_argument("--low", type=float, help="lower end of its interval")
    options.add_argument("--high", type=float, help="upper end of its interval")
    options.add_argument("--candidates", type=int, default=1000, help="number of candidates of the search")
    options.add_argument("--mean", type=float, default=90.0, help="mean of the candidates' expected accuracies")
    options.add_argument(
        "--spread", type=float, default=1.0, help="standard deviation of the candidates' expected accuracies"
    )
    options.add_argument("--noise", type=float, default=0.0, help="standard deviation of one network's trainings")
    options.add_argument("--seeds", type=int, default=1, help="trainings of each of the k, whose mean is compared")
    options.add_argument("--tolerance", type=float, default=0.5, help="accuracy that may be lost")
    options.add_argument("--k", type=int, nargs="+", default=KS, help="numbers of best scored candidates to train")
    options.add_argument("--pool", help="CSV file with columns score and accuracy")
    options.add_argument("--repeats", type=int, default=REPEATS, help="number of simulated searches")
    options.add_argument("--seed", type=int, default=0, help="seed of the simulation")
    given = options.parse_args(arguments)
    if (given.tau is None) == (given.pool is None):
        raise UserError("give either --tau, such as --tau 0.4, or --pool FILE.csv from which tau is taken")
    if given.repeats < 100:
        raise UserError(f"--repeats is {given.repeats}: fewer than 100 simulated searches say nothing")
    ks = sorted({min(k, given.candidates) for k in given.k})
    predictions: Sequence[Prediction]
    try:
        choice = Choice(given.candidates, given.tolerance, ks, given.repeats, given.seed, given.seeds)
        if given.pool is None:
            shape = {"mean": given.mean, "spread": given.spread, "noise": given.noise}
            predictions = [from_tau(given.tau, choice, **shape, interval=(given.low, given.high))]
        else:
            scores, accuracies, macs = read_pool(given.pool)
            predictions = from_pool(scores, accuracies, choice, given.noise)
    except ValueError as error:
        raise UserError(str(error)) from None
    for prediction in predictions:
        print("\n".join(["", *table(prediction), "", sentence(prediction, choice)]))
    if predictions[0].note:
        print(f"\n{predictions[0].note}")
    if given.pool is not None and macs is not None:
        print()
        for where, beyond in beyond_macs(accuracies, scores, macs).items():
            print(given_macs.sentence(f"the score, on the {where},", beyond.columns(), lambda value: f"{value:.2f}"))


def read_pool(path: str) -> tuple[list[float], list[float], list[float] | None]:
    """Read the scores, accuracies and MACs (None without a column `macs`) of a CSV file; an empty cell is NaN."""
    rows = read_csv(path)
    missing = [name for name in POOL if rows and name not in rows[0]]
    if not rows or missing:
        what = f"no column {missing[0]!r}" if missing else "no lines"
        raise UserError(f"{path} has {what}; a pool has the columns {' and '.join(POOL)}, a line per architecture")
    scores, accuracies = ([number(row[name]) for row in rows] for name in POOL)
    return scores, accuracies, [number(row["macs"]) for row in rows] if "macs" in rows[0] else None


def table(prediction: Prediction) -> list[str]:
    """Return the lines of one predictor's table."""
    lines = [
        f"{prediction.predictor}: tau {prediction.tau:.3f}, {prediction.candidates} candidates, "
        f"{prediction.repeats} simulated searches",
        f"  the best scored one: accuracy {_shown(prediction.accuracy, 2)}, "
        f"better than {_shown(prediction.percentile, 1, 100)} % of the others",
        f"  {'k':>5}  {'regret, mean':<24}{'not exceeded in 95 %':<24}{'within tolerance, %':<24}"
        "holds one of the best 1 %",
    ]
    lines += [
        f"  {top.k:>5}  {_shown(top.regret, 3):<24}{_shown(top.regret_95, 3):<24}"
        f"{_shown(top.within, 1, 100):<24}{_shown(top.holds_top, 1, 100)} %"
        for top in prediction.top
    ]
    error = max(top.regret.error for top in prediction.top)
    return [*lines, f"  Monte-Carlo standard error of the mean regrets: at most {error:.3f}"]


def sentence(prediction: Prediction, choice: Choice) -> str:
    """Say in one sentence what to do."""
    enough, first = prediction.enough, prediction.top[0]
    goal = f"within {choice.tolerance:g} of the best of {prediction.candidates}"
    assurance = f"with a probability of {100 * ASSURANCE:.0f} %"
    each = "" if choice.seeds == 1 else f" {choice.seeds} times each"
    if math.isnan(enough.value):
        best = max(prediction.top, key=lambda top: top.within.value)
        text = (
            f"No number of candidates trained{each or ' once each'} gives a pick {goal} {assurance}; of the numbers "
            f"above {best.k} comes closest, with {100 * best.within.value:.0f} %: raise --seeds"
        )
    else:
        ends = "" if enough.low is None or enough.high is None else f" ({_whole(enough.low)} to {_whole(enough.high)})"
        text = f"To be {goal} {assurance}, train the {enough.value:.0f} best scored{ends}{each}"
    return f"{text}; the best of the top {first.k} alone is {first.regret.value:.2f} behind on average."


def _whole(number: float) -> str:
    return f"{number:.0f}" if math.isfinite(number) else "more than all"


def _shown(estimate: Simulated, decimals: int, times: float = 1.0) -> str:
    text = f"{times * estimate.value:.{decimals}f}"
    if estimate.low is None or estimate.high is None or math.isnan(estimate.value):
        return text
    return f"{text} [{times * estimate.low:.{decimals}f}, {times * estimate.high:.{decimals}f}]"
