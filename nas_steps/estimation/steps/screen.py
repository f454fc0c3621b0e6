"""Choose which of a round's proposals are evaluated, by a score that needs no training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, replace

from nas_steps.config.settings import ScreenSettings, read_settings
from nas_steps.estimation.estimates import SCREENED, Estimate, write_estimates
from nas_steps.estimation.proposals import Proposal, read_proposals, write_proposals
from nas_steps.provenance.files import canonical_json
from nas_steps.provenance.ledger import measured
from nas_steps.provenance.seeds import derive_seed
from nas_steps.provenance.steps import parser, training_options

MODULE = "nas_steps.estimation screen"


def main(arguments: Sequence[str]) -> None:
    options = parser(MODULE, __doc__ or "")
    training_options(options)
    options.add_argument("--proposals", required=True, help="CSV of all that was proposed")
    options.add_argument("--seed", type=int, required=True, help="which repetition this is: 0, 1, ...")
    options.add_argument("--output", required=True, help="CSV of the proposals that are left")
    options.add_argument("--rejected", required=True, help="CSV of estimates: those that are not evaluated")
    options.add_argument("--cost", required=True, help="JSON of what it cost")
    given = options.parse_args(arguments)
    step = read_settings(given.settings, ScreenSettings)
    with measured(given.cost, "search", f"screen {given.output}") as cost:
        proposals = read_proposals(given.proposals)
        from nas_steps.estimation.untrained import Batch, measure
        from nas_steps.training.job import training_job

        with training_job(
            __name__,
            step,
            given.output,
            cost,
            settings=given.settings,
            data=given.data,
            device=given.device,
            proposals=canonical_json([asdict(one) for one in proposals]),
            seed=given.seed,
        ) as job:
            batch = Batch.drawn(given.data, step.screen.batch_size, job.device, step.seed)
            scores: dict[int, tuple[float, str]] = {}
            # what is promoted by successive halving has been looked at before
            new = [one for one in proposals if not one.promoted]
            for one in new:
                seed = derive_seed(step.seed, "search", given.seed, one.architecture)
                found, _ = measure(one.architecture, step.network, batch, [step.screen.proxy], seed=seed)
                told = found[step.screen.proxy]
                scores[one.index] = (told.fitness, told.reason or f"{step.screen.proxy} {told.score:.6g}")
            kept, rejected = screened(proposals, scores, step.screen.of)
        write_estimates(given.rejected, rejected)
        write_proposals(given.output, kept)
        print(f"{len(kept)} of {len(proposals)} proposals are evaluated", flush=True)


def screened(
    proposals: Sequence[Proposal], scores: dict[int, tuple[float, str]], of: int
) -> tuple[list[Proposal], list[Estimate]]:
    """The best of the proposals that have scores (by index: merit, and what to tell), one in `of`, with all that have
    none, numbered anew; and the others as estimates without a score, numbered after them."""
    ranked = sorted(scores, key=lambda index: -scores[index][0])
    best = {*ranked[: math.ceil(len(ranked) / of)]}
    kept = [one for one in proposals if one.index in best or one.index not in scores]
    left = [one for one in proposals if one.index in scores and one.index not in best]
    return (
        [replace(one, index=number) for number, one in enumerate(kept)],
        [
            Estimate(number, one.architecture, math.nan, SCREENED, scores[one.index][1])
            for number, one in enumerate(left, start=len(kept))
        ],
    )
