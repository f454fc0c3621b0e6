"""How often the intervals of compute multipliers hold the truth, and how often a change of them is seen or imagined.

    python -m benchmarks.rungs_errors [--runs 1000] [--workers 2] [--output FILE]

The truth is Chinchilla's surface: L(N, C) = E + A N^-alpha + B (C / 6 N)^-beta with alpha 0.34, beta 0.28, E 0.8. The
loss is about 1.5 at the first rung, and four times the compute takes 0.13 off. Each next baseline is worth the first
one with 0.9 of its compute. The searched network needs M(C) of the first baseline's compute C. M is what is estimated.

So the best sizes differ between networks and no parabola is exact. Rungs are C, 4 C and 16 C. The sizes are half to
twice a guess of the best size. The guess is off by a factor of up to 1.6, the same for all networks. A seed's noise is
normal. Each size of each network is off by a normal error of its own, too, 0.3 times a seed's and the same for all
seeds.

With the truth `lower floor` the searched network has the first baseline's losses less 0.02. So it comes nearer to
another floor, against the shared E of the law, and needs 0.83 of the compute, then 0.80 and 0.76.

- `covers`: intervals of single multipliers that hold M(C), over all rungs and baselines
- `wide`: the median of high / low
- `change covers`: intervals of the last rung's multiplier over the first one's that hold M(16 C) / M(C)
- `says change`: runs in which the change from the first baseline is claimed, Holm-adjusted p below 0.05
- `any change`: the same of any of the baselines
- `first wins`: runs in which the interval of the first rung and the first baseline is below 1
- `time covers`: intervals of the multipliers of time that hold the truth. The searched network takes 1.3 times the
  seconds of the first baseline, and each next baseline 1.1 times those of the one before. Seconds grow with the power
  0.2 of the size; ln seconds of a training have a normal error of 0.05.
- `gain covers`: intervals of the gain from the first rung to the last, and of its parts and their interaction, that
  hold the truth
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

from nas_steps.provenance.files import write_text
from nas_steps.retraining.comparison import ALPHA
from nas_steps.scaling.clock import fit_clock, times
from nas_steps.scaling.isoflop import Fit, Floats, Point, fit_parabolas
from nas_steps.scaling.multipliers import Compared, compare
from nas_steps.scaling.rung_effects import effects

ALPHA_N, BETA_D, FLOOR = 0.34, 0.28, 0.8
FIRST, FACTORS = 1e12, (1.0, 4.0, 16.0)
#: A and B put half of what is left above the floor into each term at the first rung's best size
LEFT = 0.7
SHAPES, OFF = 0.3, 1.6
#: baseline n is as good as the first one with WORSE^n times its compute
WORSE = 0.9
#: name -> the searched network's multiplier at the first and the last rung
TRUTHS = {"equal": (1.0, 1.0), "parallel": (0.7, 0.7), "converging": (0.5, 0.95), "diverging": (0.9, 0.6)}
NOISES, SIZES, SEEDS, BASELINES = (0.005, 0.01, 0.02), (3, 4), (1, 3), (1, 4)
#: with this truth the searched network has the first baseline's losses less BELOW: another floor, against the law
LOWER, BELOW = "lower floor", 0.02
#: by the clock: the searched network against the first baseline, a baseline against the one before, sizes, a training
SLOWER, NEXT, GROWTH, DISTURBED = 1.3, 1.1, 0.2, 0.05
#: draws of one comparison; the product takes more
DRAWS = 400


@dataclass(frozen=True)
class Cell:
    truth: str
    noise: float
    sizes: int
    seeds: int
    baselines: int
    factors: tuple[float, ...] = FACTORS

    @property
    def compute(self) -> Floats:
        return FIRST * np.array(self.factors)

    @property
    def power(self) -> float:
        """The power of C that the multiplier grows with."""
        first, last = TRUTHS[self.truth]
        return math.log(last / first) / math.log(self.factors[-1])

    def multipliers(self, baseline: int = 0) -> Floats:
        """Return the true multipliers against a baseline at each rung, (rungs,)."""
        if self.truth == LOWER:
            above = lowest(self.compute * WORSE**baseline) - FLOOR
            # the best losses of a surface follow (1 / alpha + 1 / beta)^-1 as their power
            needed = (above + BELOW) / above
            return np.asarray(WORSE**baseline * needed ** -(1 / ALPHA_N + 1 / BETA_D), dtype=float)
        equal = np.array(self.factors) * WORSE**baseline
        return np.asarray(TRUTHS[self.truth][0] * equal**self.power * WORSE**baseline, dtype=float)

    def equal(self) -> Floats:
        """Return the compute of the first baseline that is worth what the searched network has at each rung."""
        if self.truth == LOWER:
            return self.compute
        first = TRUTHS[self.truth][0]
        return np.asarray(FIRST * (np.array(self.factors) / first) ** (1 / (1 + self.power)), dtype=float)

    def best_losses(self) -> Floats:
        """Return the true best losses (1 + baselines, rungs); the searched network is the first."""
        mine = lowest(self.equal()) - BELOW * (self.truth == LOWER)
        return np.stack([mine, *(lowest(self.compute * WORSE**number) for number in range(self.baselines))])

    def best_sizes(self) -> Floats:
        """Return ln of the true best sizes (1 + baselines, rungs)."""
        several = [self.equal(), *(self.compute * WORSE**number for number in range(self.baselines))]
        return np.log(np.stack([best_size(equal) for equal in several]))


def surface(size: Floats, compute: Floats) -> Floats:
    """Return the loss of the first baseline: both terms are LEFT / 2 at the first rung and its reference size."""
    reference = math.sqrt(FIRST / 120)
    tokens, first = compute / (6 * size), FIRST / (6 * reference)
    return FLOOR + LEFT / 2 * ((size / reference) ** -ALPHA_N + (tokens / first) ** -BETA_D)


def lowest(compute: Floats) -> Floats:
    """Return the loss of the first baseline at its best size."""
    return surface(best_size(compute), compute)


def best_size(compute: Floats) -> Floats:
    """Return the size of the lowest loss at each compute: alpha N^-alpha = beta (C / 6 N)^-beta, in the units above."""
    reference = math.sqrt(FIRST / 120)
    power = ALPHA_N + BETA_D
    return np.asarray(
        reference * (ALPHA_N / BETA_D) ** (1 / power) * (compute / FIRST) ** (BETA_D / power), dtype=float
    )


def draw(cell: Cell, generator: np.random.Generator) -> list[Point]:
    """Return the trainings of one experiment: network 0 is searched, the others are baselines."""
    off = OFF ** generator.uniform(-1, 1)
    ratios = 2.0 ** np.linspace(-1, 1, cell.sizes)
    worth = [cell.equal(), *(cell.compute * WORSE**number for number in range(cell.baselines))]
    points = []
    for network, equal in enumerate(worth):
        for rung, compute in enumerate(cell.compute):
            for size in best_size(compute) * off * ratios:
                mean = float(surface(size, equal[rung]))
                mean -= BELOW * (cell.truth == LOWER and network == 0)
                mean += SHAPES * cell.noise * generator.standard_normal()
                losses = mean + cell.noise * generator.standard_normal(cell.seeds)
                points.append(Point(network, rung, math.log(size), tuple(losses.tolist())))
    return points


def seconds(cell: Cell, points: list[Point], generator: np.random.Generator) -> list[Point]:
    """Return the same trainings with ln seconds in place of losses."""
    pace = [math.log(SLOWER), *(math.log(NEXT) * number for number in range(cell.baselines))]
    timed = []
    for one in points:
        mean = pace[one.network] + GROWTH * one.log_size
        errors = DISTURBED * generator.standard_normal(cell.seeds)
        timed.append(Point(one.network, one.rung, one.log_size, tuple((mean + errors).tolist())))
    return timed


def covered(cell: Cell, run: int, found: Compared) -> tuple[float, float]:
    """Return the shares of intervals of time, and of gains, that hold the truth."""
    generator = np.random.default_rng([run, *map(ord, repr(cell))])
    points = draw(cell, generator)  # the same ones as in `analysed`
    clock = fit_clock(seconds(cell, points, generator), 1 + cell.baselines, len(cell.factors))
    sizes, losses = cell.best_sizes(), cell.best_losses()
    of_time, of_gains = [], []
    for number, one in enumerate(found.multipliers):
        for rung, value in enumerate(cell.multipliers(number)):
            best = found.sizes[0, rung].value, found.sizes[1 + number, rung].value
            told = times(one.rungs[rung], clock.ratio(rung, 0, 1 + number, best))
            # at the true best sizes
            truth = value * SLOWER / NEXT**number * math.exp(GROWTH * (sizes[0, rung] - sizes[1 + number, rung]))
            of_time.append(told.low <= truth <= told.high)
        pairs = zip(one.effects, effects(losses, 0, 1 + number), strict=True)
        of_gains += [told.low <= truth <= told.high for told, truth in pairs]
    return float(np.mean(of_time)), float(np.mean(of_gains))


def analysed(cell: Cell, run: int) -> tuple[Fit, Compared]:
    generator = np.random.default_rng([run, *map(ord, repr(cell))])
    networks = 1 + cell.baselines
    fit = fit_parabolas(draw(cell, generator), networks, len(cell.factors))
    return fit, compare(fit, np.log(cell.compute), [0], range(1, networks), seed=run, draws=DRAWS)


def one_run(cell: Cell, run: int) -> list[float]:
    """Return what one experiment says, in the order of the columns; the width as ln."""
    _, found = analysed(cell, run)
    truths = [cell.multipliers(number) for number in range(cell.baselines)]
    holds, widths = [], []
    for truth, one in zip(truths, found.multipliers, strict=True):
        for value, estimate in zip(truth, one.rungs, strict=True):
            holds.append(estimate.low <= value <= estimate.high)
            widths.append(math.log(estimate.high / estimate.low))
    changes = [truth[-1] / truth[0] for truth in truths]
    both = zip(changes, found.multipliers, strict=True)
    covers = np.mean([one.change.low <= change <= one.change.high for change, one in both])
    says = [one.p_holm < ALPHA for one in found.multipliers]
    first = found.multipliers[0].rungs[0].high < 1
    figures = [float(np.mean(holds)), float(np.median(widths)), float(covers), float(says[0]), float(any(says)), first]
    return [*figures, *covered(cell, run, found)]


def measured(given: tuple[Cell, int]) -> str:
    """Return the row of one cell."""
    cell, runs = given
    table = np.array([one_run(cell, run) for run in range(runs)])
    means = table.mean(axis=0)
    wide = math.exp(float(np.median(table[:, 1])))
    shares = [f"{100 * means[place]:.1f}" for place in (0, 2, 3, 4, 5, 6, 7)]
    figures = [cell.truth, f"{cell.noise:g}", cell.sizes, cell.seeds, cell.baselines, shares[0], f"{wide:.2f}"]
    return " | ".join(map(str, [*figures, *shares[1:]]))


def cells() -> Iterator[Cell]:
    for truth, noise, sizes, seeds, baselines in product((*TRUTHS, LOWER), NOISES, SIZES, SEEDS, BASELINES):
        yield Cell(truth, noise, sizes, seeds, baselines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000, help="experiments of each cell")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--output", type=Path, help="file of the table")
    given = parser.parse_args()
    heads = "truth | noise | sizes | seeds | baselines | covers | wide | change covers | says change | any change"
    heads += " | first wins | time covers | gain covers"
    lines = [heads, " | ".join(["---"] * 13)]
    with ProcessPoolExecutor(given.workers) as pool:
        lines += pool.map(measured, [(cell, given.runs) for cell in cells()])
    text = "\n".join(f"| {line} |" for line in lines) + "\n"
    print(text)
    if given.output is not None:
        write_text(given.output, text)


if __name__ == "__main__":
    main()
