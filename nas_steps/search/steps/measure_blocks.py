"""Count the costs of each block of a space's networks, and measure its latency if the config asks for it."""

from nas_steps.data.sizes import sizes_of
from nas_steps.provenance.files import write_json
from nas_steps.provenance.seeds import derive_seed
from nas_steps.provenance.task import Task
from nas_steps.search.latency_table import identity, read_table, refuse_others
from nas_steps.search.settings import BlockLatencySettings
from nas_steps.spaces.constraints import blocks_of
from nas_steps.spaces.costs import write_costs
from nas_steps.spaces.declare import declared, declared_on_images


def main(task: Task) -> None:
    settings, shape = task.read_settings(BlockLatencySettings), sizes_of(task.data).shape
    space = declared(settings.space)
    blocks = blocks_of(space, settings.network)
    latencies: dict[str, float] = {}
    record: dict[str, object] = shape._asdict()
    if settings.latency is not None and task.latencies is not None:
        from nas_steps.search.block_latency import tabulated

        table = read_table(task.latencies)
        own = identity(declared_on_images(settings.space), settings.network.model_dump(mode="json"))
        refuse_others(task.latencies, table, own, {**shape._asdict(), "batch": settings.latency.batch})
        latencies, measurement = tabulated(space, blocks, shape, table)
        record |= measurement
    elif settings.latency is not None:
        from nas_steps.search.block_latency import measure, uses_device
        from nas_steps.training.devices import claimed, describe

        task.cost.loaded()
        # a GPU is claimed only if it is measured
        name = task.device if uses_device(settings.latency, task.device) else "cpu"
        with claimed(name, settings.latency.threads, alone=True) as device:
            seed = derive_seed(settings.seed, "costs")
            latencies, measurement = measure(space, blocks, shape, settings.latency, device, seed)
            task.cost.device, task.cost.threads = describe(device), settings.latency.threads
            record |= {"device": task.cost.device, **measurement}
    write_costs(task.output("blocks"), blocks, shape, latencies, settings.batch)
    write_json(task.output("latency"), record)
