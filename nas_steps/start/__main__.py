"""Look at a folder of photos and at this machine; write a config that fits both and the time there is.

`python -m nas_steps.start PHOTOS [--latency 5ms] [--time 30m]`: PHOTOS is a folder with one subfolder a class, or a
.zip of one. Nothing is trained but a few steps that are timed.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from nas_steps.errors import UserError
from nas_steps.provenance.files import write_text
from nas_steps.provenance.task import parser, run
from nas_steps.start import machine as machines
from nas_steps.start import photos, saying, templates
from nas_steps.start.sizing import Sizing
from nas_steps.workflow.forecast.speeds import FILE, Speeds
from nas_steps.workflow.plan import Plan, merged

MODULE = "nas_steps.start"
#: where a run in this folder looks for what was measured
SPEEDS = Path("results", "settings", FILE)
#: seconds of one of each unit
TIMES = {"s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
LATENCIES = {"us": 1e-3, "ms": 1.0, "s": 1000.0}


def main(arguments: Sequence[str]) -> None:
    """Write the config and say what it does. Raises UserError for photos, options or files that do not do."""
    options = parser(MODULE, __doc__ or "")
    options.add_argument(
        "photos", help="a folder with one subfolder a class (or train/, valid/, test/ above), or a .zip"
    )
    options.add_argument("--latency", help="the most that the network may take for a photo here, such as 5ms")
    options.add_argument(
        "--time", default="30m", help="how long all may take, such as 30m or 2h; %(default)s if left out"
    )
    options.add_argument("--experiment", help="its name; the folder's if left out")
    options.add_argument("--output", help="the config to write; config/<experiment>.yaml if left out")
    given = options.parse_args(arguments)
    latency = None if given.latency is None else quantity(given.latency, LATENCIES, "--latency", "5ms")
    seconds = quantity(given.time, TIMES, "--time", "30m")
    experiment = given.experiment or name_of(given.photos)
    output = Path(given.output or f"config/{experiment}.yaml")
    if output.exists():
        raise UserError(f"{output} exists and is not overwritten; name another --output or --experiment, or remove it")
    look = photos.look(given.photos)
    print("\n".join(saying.of_photos(look)), flush=True)
    sides = sorted({size.side for size in templates.sizes(look, machines.look((), measure=False))})
    machine = machines.look(sides[-3:])
    print("\n".join(saying.of_machine(machine)), flush=True)
    speeds = Speeds(SPEEDS)
    speeds.add(machine.speeds())
    chosen = Sizing(look, machine, speeds, latency).choose(seconds)
    notes = saying.notes(look, machine, chosen, given.photos, seconds)
    text = templates.text(chosen.size, look, machine, experiment, latency, notes)
    write_text(output, text)
    try:
        Plan(merged([output]), str(output))
    except UserError:
        output.unlink()
        raise
    command = f"snakemake --configfile {shlex.quote(str(output))}"
    print("\n".join(saying.of_plan(chosen, output, command)), flush=True)


def quantity(text: str, units: dict[str, float], option: str, example: str) -> float:
    """Read `1h30m` or `5ms`. Raises UserError if a unit is missing or unknown, or nothing is left."""
    parts = re.findall(r"(\d+(?:\.\d+)?)\s*([a-z]*)", text.strip().lower())
    whole = "".join(number + unit for number, unit in parts)
    if not parts or whole != re.sub(r"\s", "", text.lower()):
        raise UserError(f"{option} {text!r} is no time; write it such as {option} {example}")
    if any(not unit for _, unit in parts):
        raise UserError(
            f"{option} {text} has no unit ({', '.join(units)}); write {option} {text}{example[-2:].lstrip('0')}"
        )
    unknown = [unit for _, unit in parts if unit not in units]
    if unknown:
        raise UserError(f"{option} {text}: unknown unit {unknown[0]!r}, known are {', '.join(units)}")
    value = sum(float(number) * units[unit] for number, unit in parts)
    if value <= 0:
        raise UserError(f"{option} {text} leaves nothing; write it such as {option} {example}")
    return value


def name_of(path: str) -> str:
    """Return a name for the experiment from that of the photos' folder."""
    stem = Path(os.path.abspath(os.path.expanduser(path))).name
    stem = stem[:-4] if stem.lower().endswith(".zip") else stem
    name = re.sub(r"[^A-Za-z0-9_.-]+", "_", stem).strip("_.-")[:80] or "photos"
    return f"{name}_photos" if name.lower() in ("data", "settings", "estimates") else name


if __name__ == "__main__":
    run(main, MODULE)
