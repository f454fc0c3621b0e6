"""Search by the shared weights of a trained supernet."""

import hashlib
from pathlib import Path

from nas_steps.facts import NEG_BITS_PER_BYTE
from nas_steps.provenance.seeds import derive_seed
from nas_steps.provenance.task import Task
from nas_steps.search.protocol import Prediction
from nas_steps.search.settings import OneShotSettings
from nas_steps.search.tables import gather
from nas_steps.spaces.constraints import constrained_space
from nas_steps.spaces.declare import declared


def main(task: Task) -> None:
    from nas_steps.search.one_shot.scoring import Scorer
    from nas_steps.search.sampling import run
    from nas_steps.training.job import training_job

    settings = task.read_settings(OneShotSettings)
    weights = hashlib.sha256(Path(task.weights).read_bytes()).hexdigest()
    with training_job(task, settings, strategy=task.strategy, seed=task.seed, weights=weights) as job:
        # scores that an interrupted attempt made are used again
        checkpoint = job.checkpoints.of("scores")
        scorer = Scorer(settings, task.data, task.weights, job.device, checkpoint.read())

        def after_round(number: int) -> None:
            if checkpoint.due:
                checkpoint.write(scorer.known)
            best = max(scorer.known.values())
            spelled = f"{-best:.3f} bits per byte" if settings.metric == NEG_BITS_PER_BYTE else f"{best:.1%}"
            scored = f"{len(scorer.known)} architectures scored, the best {spelled}"
            print(f"round {number} of {settings.strategy.rounds}: {scored}", flush=True)

        space = constrained_space(declared(settings.space), settings.constraints, task.blocks)
        seed = derive_seed(settings.seed, "search", task.strategy, task.seed)
        predictions: list[dict[str, Prediction]] = []
        asked = (settings.strategy, space, settings.evaluations, seed, scorer.estimates, after_round)
        evaluations = run(*asked, predictions=predictions)
        # the accuracy of the best before and after its batch norms are re-estimated
        best = max((one for estimates in evaluations for one in estimates), key=lambda one: one.fitness)
        inherited = scorer.running([declared(settings.space).parse(best.architecture)])[0]
        kept = {"chosen": 1, "inherited_accuracy": inherited, "discrete_accuracy": best.score}
        files = (task.output("candidates"), task.output("history"))
        more = {best.architecture: kept}
        gather(evaluations, *files, settings.estimator.kind, more=more, predictions=predictions)
