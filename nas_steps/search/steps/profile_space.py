"""Tell what the networks of a space cost, and how many of a uniform sample keep the constraints."""

from nas_steps.data.sizes import sizes_of
from nas_steps.provenance.files import write_csv, write_json
from nas_steps.provenance.seeds import derive_seed
from nas_steps.provenance.task import Task
from nas_steps.search.settings import ProfileSettings
from nas_steps.spaces.constraints import blocks_of, given, smallest_within
from nas_steps.spaces.costs import read_costs
from nas_steps.spaces.declare import declared
from nas_steps.spaces.profile import COLUMNS, lines, profile, rows


def main(task: Task) -> None:
    """Write the profile. Raises UserError, after it was printed, if no architecture keeps the constraints."""
    settings, sizes = task.read_settings(ProfileSettings), sizes_of(task.data)
    space = declared(settings.space)
    table = read_costs(task.blocks, blocks_of(space))
    found = profile(space, table, given(settings.constraints), derive_seed(settings.seed, "profile"))
    print("\n".join(lines(found, space, sizes.shape)), flush=True)
    # a limit of measured latencies is known here first, before a supernet is trained for nothing
    smallest_within(table, given(settings.constraints), space.name)
    write_csv(task.output("profile"), rows(found), COLUMNS)
    write_json(task.output("details"), found)
