"""The names of the operations of cells, without torch; `nas_steps.models.cells.operations` checks that they agree."""

#: name -> whether the operation has weights to learn
OPERATIONS: dict[str, bool] = {
    "none": False,
    "skip_connect": False,
    "noise": False,
    "max_pool_3x3": False,
    "avg_pool_3x3": False,
    "sep_conv_3x3": True,
    "sep_conv_5x5": True,
    "dil_conv_3x3": True,
    "dil_conv_5x5": True,
    "nor_conv_1x1": True,
    "nor_conv_3x3": True,
    # of NASNet-A and AmoebaNet-A
    "sep_conv_7x7": True,
    "conv_7x1_1x7": True,
}
