"""Once-for-all subnets as they are published: kernels, expansions and depths (Cai et al. 2020, section 4.1)."""

from collections.abc import Mapping

from nas_steps.errors import UserError
from nas_steps.spaces.mobile.architectures import MobileArchitecture, Operation
from nas_steps.spaces.mobile.chosen import Chosen
from nas_steps.spaces.mobile.space import MobileSpace

COLUMNS = ("kernels", "expansions", "depths")


def architecture(row: Mapping[str, str | None], space: MobileSpace) -> MobileArchitecture:
    """Return the architecture of a row: whole numbers between blanks, layer by layer from the first searched stage on.

    Stages that have one depth are the space's own; each of the others has as many layers in `kernels` and `expansions`
    as its largest depth. Layers beyond the depth do not count. Raises UserError.
    """
    kernels, expansions, depths = (_numbers(row, column) for column in COLUMNS)
    searched = [stage for stage in space.stages if len(stage.depth) > 1]
    layers = sum(max(stage.depth) for stage in searched)
    for column, found, wanted in (
        ("kernels", kernels, layers),
        ("expansions", expansions, layers),
        ("depths", depths, len(searched)),
    ):
        if len(found) != wanted:
            problem = f"{column} has {len(found)} numbers, but space {space.name} has {wanted}"
            raise UserError(f"{problem} {'stages' if column == 'depths' else 'layers'} to choose")
    made, first, left = [], 0, iter(depths)
    for stage in space.stages:
        width, stride, activation = stage.width[0], stage.stride[0], stage.activation[0]
        if len(stage.depth) == 1:
            made.append(
                Chosen(stage.depth[0], width, stride, activation, stage.places(0)[:1] * stage.layers(stage.depth[0]))
            )
            continue
        depth, squeeze = next(left), "" if stage.squeeze[0] == "none" else stage.squeeze[0]
        places = range(first, first + min(depth, max(stage.depth)))
        operations = tuple(Operation(kernels[place], float(expansions[place]), squeeze) for place in places)
        made.append(Chosen(depth, width, stride, activation, operations))
        first += max(stage.depth)
    return space.check(space.made(made, space.sides[0]))


def _numbers(row: Mapping[str, str | None], column: str) -> list[int]:
    text = row[column] or ""
    try:
        return [int(word) for word in text.split()]
    except ValueError:
        raise UserError(f"{column} is {text!r}; whole numbers between blanks are wanted, such as 3 5 7") from None
