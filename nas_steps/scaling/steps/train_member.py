"""Train one member, if it is within the budget, and test it once."""

from pathlib import Path

from nas_steps.provenance.files import read_csv, read_json
from nas_steps.provenance.task import Task
from nas_steps.scaling.settings import ScalingSettings
from nas_steps.scaling.winner import NO_WINNER, design_of


def main(task: Task) -> None:
    """Write the record, the history and the weights of a member."""
    from nas_steps.training.record import Entry, write_untrained

    settings, name = task.read_settings(ScalingSettings), f"B{task.member}"
    described = next((row for row in read_csv(task.members) if row["member"] == name), None)
    if described is None:
        entry = Entry(name, "scaled", read_json(task.chosen)["architecture"] or "")
        write_untrained(task.folder, entry, task.seed, status="missing", reason=NO_WINNER)
        return
    design = design_of(settings.network, described)
    entry = Entry(name, "scaled", design.architecture)
    if described["within_budget"] != "yes":
        reason = (
            f"{int(described['macs']):,} MACs are above the budget of {settings.scaling.mac_budget:,.0f} "
            "(scaling.mac_budget)"
        )
        known = {"network": design.network.model_dump(), "side": design.side}
        known |= {key: int(described[key]) for key in ("parameters", "macs")}
        write_untrained(task.folder, entry, task.seed, status="over budget", reason=reason, **known)
        return

    from nas_steps.training.final import WarmStart, final_job

    warm = WarmStart(Path(task.smaller).parent) if task.smaller else None
    if warm is not None and not warm.usable:
        print(f"{warm.metrics['entry']} is no start: {warm.metrics['reason']}; the weights are random", flush=True)
        warm = None
    recipe = settings.recipe.model_copy(update={"drop_path": float(described["drop_path"])})
    settings = settings.model_copy(update={"recipe": recipe})
    final_job(task, entry, settings, network=design.network, side=design.side, warm=warm)
