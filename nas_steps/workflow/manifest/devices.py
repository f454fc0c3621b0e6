"""Refuse results of another device than the one that the config names."""

from collections import Counter
from pathlib import Path

from nas_steps.errors import UserError
from nas_steps.provenance.files import read_json
from nas_steps.workflow.plan import Plan


def check_device(plan: Plan) -> None:
    """Raise UserError if results were computed on another device than the named one; `auto` allows all."""
    wanted = plan.config.device
    if wanted == "auto":
        return
    files = [
        file
        for file, made in plan.lasting().items()
        if made.step.device
        and (made.rule != "measure_blocks" or plan.measures_on_device)
        and file.endswith("cost.json")
        and Path(file).is_file()
    ]
    devices = Counter(str(read_json(file).get("device") or "") for file in files)
    others = {device: count for device, count in devices.items() if device and kind(device) != wanted}
    if others:
        folder = plan.placed(plan.folder)
        told = ", ".join(f"{count} on {device}" for device, count in sorted(others.items()))
        raise UserError(
            f"device is {wanted}, but jobs of {folder} were computed on another one: {told}. One experiment does not "
            "mix what was asked for: set device: auto to keep them, give the run a name of its own (--config "
            f"experiment={plan.config.experiment}_{wanted}), or delete {folder} to compute it anew"
        )


def kind(device: str) -> str:
    """Return the config's word for a device of the ledger: the name of a GPU or the kind of a processor."""
    name = device.split(" ", 1)[0]
    return name if name in ("cpu", "mps") else "cuda"
