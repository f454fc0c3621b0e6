"""Estimate the feature maps that a cell needs at once, from above.

A cell keeps the outputs of the two cells before it (one, if it has one input), its inputs, all its nodes and their
concatenation. Which of them are still needed depends on more than one edge; so all are counted. An operation adds its
own maps in between.
"""

from nas_steps.spaces.costs import divided

#: maps between the input and the output of an operation, by the start of its name; others have none
_BETWEEN = {"sep_conv_": 2, "dil_conv_": 2, "nor_conv_": 1, "conv_7x1_": 2}


def peak_of_operation(operation: str, channels: int, side: int, stride: int) -> int:
    """Return the elements of an operation's maps, its input aside: its output and what lies in between."""
    if operation == "skip_connect" and stride == 1:
        return 0
    # what lies in between may have the side of the input
    return channels * (divided(side, stride) ** 2 + _BETWEEN.get(operation[:9], 0) * side**2)


def peak_of_cell(before: int, last: int, channels: int, side: int, stride: int, nodes: int, outputs: int) -> int:
    """Return the elements of a cell's maps without its operations'.

    `before` is the elements of the older input cell's output, 0 if there is none, `last` those of the newer; `channels`
    those of a node; `outputs` the number of nodes that are concatenated, 0 if the last node is the output.
    """
    inputs = 2 if outputs else 0
    kept = before + last + channels * (inputs * side**2 + (nodes + outputs) * divided(side, stride) ** 2)
    # what brings the older input to the cell's side holds its ReLU and two shifted copies; at most that
    return max(kept, 4 * before + last + channels * side**2)
