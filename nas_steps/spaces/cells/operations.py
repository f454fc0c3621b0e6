"""The names of the operations that an edge of a cell can carry.

What each one computes is the function registered under the same name in `nas_steps.models.cells.operations`; that
module
refuses to load when the two lists differ. Names are kept here too since a space is checked where torch is not loaded.
"""

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
}
