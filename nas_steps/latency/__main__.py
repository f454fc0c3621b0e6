"""Measure the latency of a space's blocks on another device: `python -m nas_steps.latency kit CONFIG`.

`kit` writes a .zip with each different block and some whole networks as ONNX files, and run.py, which needs Python and
onnxruntime alone. The latency.csv that run.py writes on the device is the value of search.constraints.latency.table.
"""

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nas_steps.errors import UserError
from nas_steps.provenance.task import parser, run
from nas_steps.search.settings import BlockLatencySettings
from nas_steps.spaces.costs import Shape
from nas_steps.workflow.latencies import known_shape
from nas_steps.workflow.plan import Plan, check_files, merged
from nas_steps.workflow.steps import STEPS

MODULE = "nas_steps.latency"


def main(arguments: Sequence[str]) -> None:
    options = parser(MODULE, __doc__ or "")
    commands = options.add_subparsers(dest="command", required=True)
    kit = commands.add_parser("kit", help="write the .zip for another device")
    kit.add_argument("configs", nargs="+", metavar="CONFIG", help="YAML files of the experiment")
    kit.add_argument("--config", nargs="+", default=[], metavar="KEY=VALUE", help="overrides, as of snakemake")
    kit.add_argument("--output", default="kit.zip", help="the file to write (default: %(default)s)")
    kit.add_argument("--results", default="results", help="where prepared data are looked for (default: %(default)s)")
    kit.add_argument("--classes", type=int, help="number of classes, if the data are not prepared")
    kit.add_argument("--side", type=int, help="side of the stored images in pixels, likewise")
    given = options.parse_args(arguments)
    plan = Plan(untabled(merged(given.configs, given.config)), check_files(list(given.configs)), given.results)
    shape, words = shape_of(plan, given.classes, given.side)
    print(f"{shape.inputs} x {shape.side} x {shape.side} pixels and {shape.classes} classes: {words}", flush=True)
    settings = BlockLatencySettings.model_validate(plan.values(STEPS["measure_blocks"]))
    from nas_steps.latency.kit import write_kit

    constraints = plan.config.search.constraints
    print(write_kit(given.output, settings, shape, None if constraints is None else constraints.latency))


def untabled(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return a config without the table that the kit will make, which need not be there yet."""
    found = copy.deepcopy(dict(raw))
    place: Any = found
    for key in ("search", "constraints", "latency"):
        place = place.get(key) if isinstance(place, dict) else None
    if isinstance(place, dict):
        place.pop("table", None)
    return found


def shape_of(plan: Plan, classes: int | None, side: int | None) -> tuple[Shape, str]:
    """Return the images' shape and where it is known from. Raises UserError if it is not known."""
    folder = Path(plan.placed(plan.data_folder))
    prepared = (folder / "meta.json").is_file()
    found = known_shape(plan.config.data, folder)
    where = f"the data prepared in {folder}" if prepared else "the config"
    for option, name, asked in (("--classes", "classes", classes), ("--side", "side", side)):
        if asked is not None and asked < 1:
            raise UserError(f"{option} is {asked}; it must be 1 or more")
        if asked is not None and found[name] not in (None, asked):
            raise UserError(f"{option} is {asked}, but {where} says {found[name]}; leave it out")
        found[name] = found[name] or asked
    if unknown := [name for name in ("classes", "side") if found[name] is None]:
        raise UserError(
            f"the data of {plan.config.experiment} are not prepared, and the config does not tell their "
            f"{' and '.join(unknown)}; give {' and '.join(f'--{name}' for name in unknown)}, or run "
            "`snakemake --until data` first"
        )
    if found["inputs"] is None:
        raise UserError("the data are not prepared, and only they show their channels; set data.channels to 1 or 3")
    shape = Shape(found["inputs"], found["side"] or 1, found["classes"] or 1)
    return shape, f"as {where} says" + ("" if prepared else "; the data are not prepared yet")


if __name__ == "__main__":
    run(main, MODULE)
