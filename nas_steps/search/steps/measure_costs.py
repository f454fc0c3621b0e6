"""Count what each part of a space's networks costs, and measure its latency where that is wanted."""

from __future__ import annotations

from collections.abc import Sequence

from nas_steps.config.settings import BlockLatencySettings, read_settings
from nas_steps.data.store import read_meta
from nas_steps.provenance.files import write_json
from nas_steps.provenance.ledger import measured
from nas_steps.provenance.seeds import derive_seed
from nas_steps.provenance.steps import parser
from nas_steps.spaces.constraints import parts_of
from nas_steps.spaces.costs import Shape, write_costs

MODULE = "nas_steps.search measure_costs"


def main(arguments: Sequence[str]) -> None:
    options = parser(MODULE, __doc__ or "")
    options.add_argument("--settings", required=True)
    options.add_argument("--data", required=True, help="folder of the prepared data")
    options.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    options.add_argument("--output", required=True, help="costs.csv: of each part parameters, MACs and milliseconds")
    options.add_argument("--record", required=True, help="costs.json: what was measured on what, and how good it is")
    options.add_argument("--cost", required=True)

    given = options.parse_args(arguments)
    with measured(given.cost, "search", "costs") as cost:
        step = read_settings(given.settings, BlockLatencySettings)
        meta = read_meta(given.data)
        channels, side, _ = meta.shape
        shape = Shape(channels, side, len(meta.classes))
        space = step.space.declared()
        parts = parts_of(space, step.network)
        latencies: dict[str, float] = {}
        record: dict[str, object] = {"inputs": channels, "side": side, "classes": shape.classes}
        if step.latency is not None:
            from nas_steps.search.block_latency import measure, uses_device
            from nas_steps.training.devices import claimed, describe

            cost.loaded()
            # a GPU is claimed only where it is measured
            device = given.device if uses_device(step.latency, given.device) else "cpu"
            with claimed(device, step.latency.threads) as found:
                seed = derive_seed(step.seed, "costs")
                latencies, measurement = measure(space, parts, shape, step.latency, found, seed)
                cost.device, cost.threads = describe(found), step.latency.threads
                record |= {"device": cost.device, **measurement}
        write_costs(given.output, parts, shape, latencies)
        write_json(given.record, record)
