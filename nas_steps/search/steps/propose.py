"""Name the architectures of a sampling strategy's next round."""

from __future__ import annotations

import math
from collections.abc import Sequence

from nas_steps.config.estimators import FEWEST_FINISHED
from nas_steps.config.settings import ProposeSettings, read_settings
from nas_steps.errors import UserError
from nas_steps.estimation.estimates import by_round, read_told, write_told
from nas_steps.estimation.proposals import Proposal, write_proposals
from nas_steps.provenance.files import read_json
from nas_steps.provenance.seeds import derive_seed
from nas_steps.provenance.steps import parser
from nas_steps.search.sampling import advance, round_size
from nas_steps.spaces.constraints import constrained_space

MODULE = "nas_steps.search propose"


def main(arguments: Sequence[str]) -> None:
    options = parser(MODULE, __doc__ or "")
    options.add_argument("--settings", required=True)
    options.add_argument("--strategy", required=True, help="its name in the config")
    options.add_argument("--seed", type=int, required=True, help="the search seed: 0, 1, ...")
    options.add_argument("--budget", help="budget.json, for random search that is matched to it")
    options.add_argument("--costs", help="costs.csv, where the strategy keeps limits or lowers latency")
    options.add_argument("--told", nargs="*", default=[], help="shards of the rounds since, oldest first")
    options.add_argument("--earlier", help="told.csv of the round before: all rounds before that one")
    options.add_argument("--state", help="state.safetensors of the round before: what it was told is not told again")
    options.add_argument("--output", required=True, help="proposals.csv")
    options.add_argument("--output-state", help="state.safetensors of this round")
    options.add_argument("--so-far", required=True, help="told.csv: all rounds before this one, in one file")

    given = options.parse_args(arguments)
    step = read_settings(given.settings, ProposeSettings)
    told = (read_told(given.earlier) if given.earlier else []) + by_round(given.told)
    evaluations = step.strategy.evaluations
    if evaluations == "auto":
        if given.budget is None:
            raise UserError(f"--budget: strategy {given.strategy} has evaluations: auto; name the budget.json to read")
        evaluations = read_json(given.budget)["strategies"][given.strategy]["evaluations"]
    # the state's file needs numpy, which most rounds of most strategies can do without
    state = None
    if given.state:
        from nas_steps.search.state import load_state

        state = load_state(given.state)
    proposals, state = advance(
        step.strategy,
        constrained_space(step.space.declared(), step.constraints, given.costs),
        told,
        count=step.of * round_size(step.strategy, len(told), evaluations),
        seed=derive_seed(step.seed, "search", given.strategy, given.seed),
        state=state,
        rungs=step.rungs,
        reduction=step.reduction,
    )
    best = max((one.fitness for estimates in told for one in estimates), default=-math.inf)
    known = [
        one for estimates in told for one in estimates if math.isfinite(one.fitness) and math.isfinite(one.predicted)
    ]
    residuals = tuple(one.score - one.predicted for one in known)
    write_told(given.so_far, told)
    write_proposals(
        given.output,
        [
            Proposal(
                index,
                architecture,
                epochs,
                promoted=epochs not in (None, *step.rungs[:1]),
                incumbent=best if step.beats else None,
                whole=not told and index < step.finish,
                residuals=residuals if len(residuals) >= FEWEST_FINISHED else (),
            )
            for index, (architecture, epochs) in enumerate(proposals)
        ],
    )
    if given.output_state:
        from nas_steps.search.state import save_state

        save_state(given.output_state, state)
