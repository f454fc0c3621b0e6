"""Results of another device than the one that the config names."""

from __future__ import annotations

from pathlib import Path

from nas_steps.errors import UserError
from nas_steps.provenance.files import read_json
from nas_steps.workflow.plan import Plan


def check_device(plan: Plan) -> None:
    """Raise UserError if a device is named and results were computed on another one.

    Devices are not watched: `auto` takes what there is, so that results can be moved to another machine.
    """
    wanted = plan.config.device
    if wanted == "auto":
        return
    others: dict[str, int] = {}
    for file in computed(plan):
        device = str(read_json(file).get("device") or "")
        if device and kind(device) != wanted:
            others[device] = others.get(device, 0) + 1
    if others:
        folder = plan.placed(plan.folder)
        told = ", ".join(f"{count} on {device}" for device, count in sorted(others.items()))
        raise UserError(
            f"device is {wanted}, but jobs of {folder} were computed on another one: {told}. One experiment does not "
            "mix what was asked for: set device: auto to keep them, give the run a name of its own (--config "
            f"experiment={plan.config.experiment}_{wanted}), or delete {folder} to compute it anew"
        )


def computed(plan: Plan) -> list[str]:
    """The ledger files of the jobs that ran on the device of the config."""
    return [
        file
        for file, made in plan.lasting().items()
        if made.step.device
        and (made.rule != "measure_blocks" or plan.measures_on_device)
        and file.endswith("cost.json")
        and Path(file).is_file()
    ]


def kind(device: str) -> str:
    """What the config calls a device of the ledger, which has the name of a GPU or the kind of a processor."""
    name = device.split(" ", 1)[0]
    return name if name in ("cpu", "mps") else "cuda"
