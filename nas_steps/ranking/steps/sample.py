"""Draw the architectures by which scores are judged: uniformly, no two of them isomorphic."""

from nas_steps.estimation.proposals import Proposal, write_proposals
from nas_steps.provenance.task import Task
from nas_steps.ranking.settings import SampleSettings
from nas_steps.search.uniform import draw
from nas_steps.spaces.constraints import constrained_space
from nas_steps.spaces.declare import declared


def main(task: Task) -> None:
    """Write the proposals of the sample."""
    settings = task.read_settings(SampleSettings)
    space = constrained_space(declared(settings.space), settings.constraints, task.blocks)
    drawn = draw(space, settings.uniform, settings.seed)
    write_proposals(task.output("sample"), [Proposal(index, architecture) for index, architecture in enumerate(drawn)])
    print(f"{len(drawn)} of {settings.uniform} architectures asked for are drawn", flush=True)
    if len(drawn) < settings.uniform:
        print(f"space {space.name} has no more that are not isomorphic to these", flush=True)
