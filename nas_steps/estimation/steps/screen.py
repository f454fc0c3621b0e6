"""Choose which of a round's proposals are evaluated, by a score that needs no training."""

import math
import time
from collections.abc import Sequence
from dataclasses import asdict, replace

from nas_steps.estimation.estimates import SCREENED, Estimate, write_estimates
from nas_steps.estimation.proposals import Proposal, read_proposals, write_proposals
from nas_steps.estimation.settings import ScreenSettings
from nas_steps.provenance.files import canonical_json
from nas_steps.provenance.seeds import derive_seed
from nas_steps.provenance.task import Task


def main(task: Task) -> None:
    """Write the kept proposals, and the rejected ones as estimates."""
    from nas_steps.estimation.zero_cost import Minibatch
    from nas_steps.training.job import training_job

    settings, proposals = task.read_settings(ScreenSettings), read_proposals(task.proposals)
    proxy, asked = settings.screen.proxy, canonical_json([asdict(one) for one in proposals])
    with training_job(task, settings, task.output("screened"), proposals=asked, seed=task.seed) as job:
        batch = Minibatch(task.data, settings.screen.batch_size, job.device, settings.seed)
        scores: dict[int, tuple[float, str]] = {}
        began = time.perf_counter()
        # promoted ones were screened before
        for one in [one for one in proposals if not one.promoted]:
            seed = derive_seed(settings.seed, "search", task.seed, one.architecture)
            score, _ = batch.score(one.architecture, settings.network, proxy, seed=seed)
            scores[one.index] = (score.fitness, score.reason or f"{proxy} {score.score:.6g}")
        spent = time.perf_counter() - began
        kept, rejected = screened(proposals, scores, settings.screen.proposals_per_evaluation, spent)
    write_estimates(task.output("rejected"), rejected)
    write_proposals(task.output("screened"), kept)
    print(f"{len(kept)} of {len(proposals)} proposals are evaluated", flush=True)


def screened(
    proposals: Sequence[Proposal], scores: dict[int, tuple[float, str]], of: int, seconds: float = 0.0
) -> tuple[list[Proposal], list[Estimate]]:
    """Keep the best, one in `of`, of the proposals with `scores` (by index: fitness and reason) and all without.

    Return them, numbered anew, and the others as estimates without a score, numbered after them; these share out the
    `seconds` of the screening.
    """
    ranked = sorted(scores, key=lambda index: -scores[index][0])
    best = {*ranked[: math.ceil(len(ranked) / of)]}
    kept = [one for one in proposals if one.index in best or one.index not in scores]
    left = [one for one in proposals if one.index in scores and one.index not in best]
    rejected = [
        Estimate(
            number, one.architecture, math.nan, SCREENED, scores[one.index][1], seconds=round(seconds / len(left), 4)
        )
        for number, one in enumerate(left, start=len(kept))
    ]
    return [replace(one, index=number) for number, one in enumerate(kept)], rejected
