"""Choose the triple and describe the members."""

from nas_steps.data.store import read_meta
from nas_steps.provenance.files import read_csv, write_csv, write_json
from nas_steps.provenance.task import Task
from nas_steps.scaling import family
from nas_steps.scaling.compound import Design, Factors
from nas_steps.scaling.settings import ScalingSettings
from nas_steps.scaling.winner import NO_WINNER, activations, measure, winner


def main(task: Task) -> None:
    """Write chosen.json and members.csv."""
    settings = task.read_settings(ScalingSettings)
    architecture, meta = winner(task.ranked), read_meta(task.data)
    if not architecture:
        write_csv(task.output("members"), [], family.MEMBERS)
        write_json(task.output("chosen"), {"architecture": None, "why": NO_WINNER})
        return
    scores = [row for path in task.scores for row in read_csv(path)]
    chosen = family.choose(read_csv(task.triples), scores, settings.scaling.factors)
    factors = Factors(chosen["depth"], chosen["width"], chosen["resolution"])
    base = Design(architecture, settings.network, meta.shape[-1])
    sizes = measure(meta), activations(meta)
    members = family.describe_members(settings.scaling, factors, base, *sizes, settings.recipe.drop_path)
    write_csv(task.output("members"), members, family.MEMBERS)
    write_json(task.output("chosen"), {"architecture": architecture, **chosen})
