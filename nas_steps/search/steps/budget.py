"""Count each strategy's training cost and match random search to it."""

from nas_steps.data.store import read_meta
from nas_steps.provenance.files import write_json
from nas_steps.provenance.task import Task
from nas_steps.search.settings import BudgetSettings
from nas_steps.spaces.constraints import constrained_space
from nas_steps.spaces.declare import declared


def main(task: Task) -> None:
    from nas_steps.search.budget import budget

    task.cost.loaded()
    meta, settings = read_meta(task.data), task.read_settings(BudgetSettings)
    channels, side, _ = meta.shape
    space = constrained_space(declared(settings.space), settings.constraints, task.blocks)
    shape = {"inputs": channels, "classes": len(meta.classes), "side": side}
    counted = budget(settings, **shape, images=meta.size("train"), valid=meta.size("valid"), within=space)
    write_json(task.output("budget"), counted)
