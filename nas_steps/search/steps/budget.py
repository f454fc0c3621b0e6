"""Count each strategy's training cost and match random search to it."""

from nas_steps.data.sizes import sizes_of
from nas_steps.provenance.files import write_json
from nas_steps.provenance.task import Task
from nas_steps.search.settings import BudgetSettings
from nas_steps.spaces.constraints import constrained_space
from nas_steps.spaces.declare import declared


def main(task: Task) -> None:
    from nas_steps.search.budget import budget

    task.cost.loaded()
    sizes, settings = sizes_of(task.data), task.read_settings(BudgetSettings)
    space = constrained_space(declared(settings.space), settings.constraints, task.blocks)
    counted = budget(settings, **sizes.arguments, images=sizes.train, valid=sizes.valid, within=space)
    write_json(task.output("budget"), counted)
