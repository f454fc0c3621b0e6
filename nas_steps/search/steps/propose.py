"""Ask a strategy for the architectures of its next round."""

import math

from nas_steps.errors import UserError
from nas_steps.estimation.estimates import by_round, read_evaluations, write_evaluations
from nas_steps.estimation.proposals import Proposal, write_proposals
from nas_steps.facts import FEWEST_FINISHED
from nas_steps.provenance.files import read_json
from nas_steps.provenance.seeds import derive_seed
from nas_steps.provenance.task import Task
from nas_steps.search.protocol import Prediction
from nas_steps.search.sampling import advance, evaluations, round_size
from nas_steps.search.settings import ProposeSettings
from nas_steps.search.state import load_state, save_state
from nas_steps.search.tables import write_predictions
from nas_steps.spaces.constraints import constrained_space
from nas_steps.spaces.declare import declared


def main(task: Task) -> None:
    """Write the proposals of a round, the evaluations before it, and the state of the strategy."""
    settings = task.read_settings(ProposeSettings)
    evaluated = (read_evaluations(task.earlier) if task.earlier else []) + by_round(task.evaluated)
    strategy, space = settings.strategy, constrained_space(declared(settings.space), settings.constraints, task.blocks)
    size = round_size(strategy, len(evaluated), number_of_evaluations(task, settings))
    predictions: dict[str, Prediction] = {}
    proposals, state = advance(
        strategy,
        space,
        evaluated,
        count=settings.proposals_per_evaluation * size,
        seed=derive_seed(settings.seed, "search", task.strategy, task.seed),
        state=load_state(task.state) if task.state else None,
        rungs=settings.rungs,
        eta=settings.eta,
        predictions=predictions,
    )
    estimates = [one for estimates in evaluated for one in estimates]
    best = max((one.fitness for one in estimates), default=-math.inf)
    residuals = tuple(
        one.score - one.predicted for one in estimates if math.isfinite(one.fitness) and math.isfinite(one.predicted)
    )
    rows = [
        Proposal(
            index,
            architecture,
            epochs,
            promoted=epochs not in (None, *settings.rungs[:1]),
            incumbent=best if settings.beats else None,
            whole=not evaluated and index < settings.finish,
            residuals=residuals if len(residuals) >= FEWEST_FINISHED else (),
        )
        for index, (architecture, epochs) in enumerate(proposals)
    ]
    write_evaluations(task.output("evaluations"), evaluated)
    write_proposals(task.output("proposals"), rows)
    write_predictions(task.output("predictions"), predictions)
    save_state(task.output("state"), state)


def number_of_evaluations(task: Task, settings: ProposeSettings) -> int:
    """Count the architectures of as many rounds as the settings name. Raises UserError if the count is in a budget and
    none is given."""
    count = evaluations(settings.strategy)
    if count != "auto":
        return count
    if task.budget is None:
        raise UserError(f"--budget: strategy {task.strategy} has evaluations: auto; name the budget.json to read")
    return int(read_json(task.budget)["strategies"][task.strategy]["evaluations"])
