"""Draw the architectures by which scores are judged: uniformly, no two of them isomorphic."""

from __future__ import annotations

from collections.abc import Sequence

from nas_steps.config.settings import SampleSettings, read_settings
from nas_steps.estimation.proposals import Proposal, write_proposals
from nas_steps.provenance.steps import parser
from nas_steps.ranking import pool
from nas_steps.spaces.constraints import constrained_space

MODULE = "nas_steps.ranking sample"


def main(arguments: Sequence[str]) -> None:
    options = parser(MODULE, __doc__ or "")
    options.add_argument("--settings", required=True)
    options.add_argument("--costs", help="costs.csv, where the searches keep limits")
    options.add_argument("--output", required=True, help="proposals.csv of the sample")
    given = options.parse_args(arguments)
    step = read_settings(given.settings, SampleSettings)
    space = constrained_space(step.space.declared(), step.constraints, given.costs)
    drawn = pool.draw(space, step.uniform, step.seed)
    write_proposals(given.output, [Proposal(index, architecture) for index, architecture in enumerate(drawn)])
    print(f"{len(drawn)} of {step.uniform} architectures asked for are drawn", flush=True)
    if len(drawn) < step.uniform:
        print(f"space {space.name} has no more that are not isomorphic to these", flush=True)
