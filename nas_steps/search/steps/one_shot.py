"""Search by the shared weights of a trained supernet."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from nas_steps.config.settings import OneShotSettings, read_settings
from nas_steps.provenance.ledger import measured
from nas_steps.provenance.seeds import derive_seed
from nas_steps.provenance.steps import parser, training_options
from nas_steps.search.tables import gather
from nas_steps.spaces.constraints import constrained_space

MODULE = "nas_steps.search one_shot"


def main(arguments: Sequence[str]) -> None:
    options = parser(MODULE, __doc__ or "")
    training_options(options)
    options.add_argument("--weights", required=True, help="weights.safetensors of the supernet of this search seed")
    options.add_argument("--strategy", required=True, help="its name in the config")
    options.add_argument("--seed", type=int, required=True, help="the search seed: 0, 1, ...")
    options.add_argument("--costs", help="costs.csv, where the strategy keeps limits or lowers latency")
    options.add_argument("--output", required=True, help="the strategy's folder")
    given = options.parse_args(arguments)
    output = Path(given.output)
    step = read_settings(given.settings, OneShotSettings)
    with measured(output / "cost.json", "search", f"{given.strategy}-{given.seed}") as cost:
        from nas_steps.search.one_shot.scoring import load_scorer, measure
        from nas_steps.search.one_shot.searching import search
        from nas_steps.training.job import training_job

        with training_job(
            __name__,
            step,
            output,
            cost,
            settings=given.settings,
            data=given.data,
            device=given.device,
            strategy=given.strategy,
            seed=given.seed,
            weights=hashlib.sha256(Path(given.weights).read_bytes()).hexdigest(),
        ) as job:
            # what was scored before the job was killed is told again, not scored again
            checkpoint = job.checkpoints.of("scores")
            scorer = load_scorer(step, given.data, given.weights, job.device, checkpoint.read())

            def after_round(number: int) -> None:
                if checkpoint.due:
                    checkpoint.write(scorer.known)
                print(
                    f"round {number} of {step.strategy.rounds}: {len(scorer.known)} architectures scored, the best "
                    f"{max(scorer.known.values()):.1%}",
                    flush=True,
                )

            told = search(
                step.strategy,
                constrained_space(step.space.declared(), step.constraints, given.costs),
                evaluations=step.evaluations,
                seed=derive_seed(step.seed, "search", given.strategy, given.seed),
                score=scorer,
                measure=lambda architecture: measure(step, architecture, given.data),
                after_round=after_round,
            )
            # what the best scored has inherited, before and after its batch norms are re-estimated
            best = max((one for estimates in told for one in estimates), key=lambda one: one.fitness)
            inherited = scorer.running([step.space.declared().parse(best.architecture)])[0]
            kept = {"chosen": 1, "inherited_accuracy": inherited, "discrete_accuracy": best.score}
            files = (output / "candidates.csv", output / "history.csv")
            gather(told, *files, step.estimator.kind, known={best.architecture: kept})
