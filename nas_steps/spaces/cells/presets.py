"""The named spaces of cells, as keys of the section `space`."""

from typing import Any

from nas_steps.spaces.cells.space import CellSpace
from nas_steps.spaces.declare import cell_space

SKIP, MAX, AVERAGE = "skip_connect", "max_pool_3x3", "avg_pool_3x3"
SEPARABLE, DILATED_3, DILATED_5 = "sep_conv_3x3", "dil_conv_3x3", "dil_conv_5x5"

#: S1 as published with RobustDARTS: two operations for each of the 14 edges of each kind; a line here is a node
_S1 = {
    "normal": [
        *([SKIP, DILATED_3], [SKIP, DILATED_5]),
        *([SKIP, DILATED_5], [SKIP, SEPARABLE], [SKIP, DILATED_3]),
        *([MAX, SKIP], [SKIP, SEPARABLE], [SKIP, SEPARABLE], [SKIP, DILATED_3]),
        *([SKIP, SEPARABLE], [MAX, SKIP], [SKIP, DILATED_3], [DILATED_3, DILATED_5], [DILATED_3, DILATED_5]),
    ],
    "reduce": [
        *([MAX, AVERAGE], [MAX, DILATED_3]),
        *([MAX, AVERAGE], [MAX, AVERAGE], [SKIP, DILATED_5]),
        *([MAX, AVERAGE], [MAX, SEPARABLE], [SKIP, DILATED_3], [SKIP, DILATED_5]),
        *([MAX, AVERAGE], [MAX, AVERAGE], [SKIP, DILATED_5], [SKIP, DILATED_5], [SKIP, DILATED_5]),
    ],
}

#: `darts`: Liu et al. 2019, section 3.1.1; `small`: for images of a few pixels; `nasbench201`: Dong & Yang 2020,
#: section 2.1; `s1` to `s4`, on which DARTS fails: Zela et al. 2020, section 3.
DECLARED: dict[str, dict[str, Any]] = {
    "small": {"operations": [SKIP, MAX, AVERAGE, SEPARABLE, "nor_conv_3x3"], "nodes": 3},
    "darts": {"operations": ["none", MAX, AVERAGE, SKIP, SEPARABLE, "sep_conv_5x5", DILATED_3, DILATED_5], "nodes": 4},
    "nasbench201": {
        "operations": ["none", SKIP, "nor_conv_1x1", "nor_conv_3x3", AVERAGE],
        "nodes": 3,
        "inputs": 1,
        "edges_per_node": "all",
    },
    "s1": {"operations": _S1, "nodes": 4},
    "s2": {"operations": [SEPARABLE, SKIP], "nodes": 4},
    "s3": {"operations": ["none", SEPARABLE, SKIP], "nodes": 4},
    "s4": {"operations": [SEPARABLE, "noise"], "nodes": 4},
}

PRESETS: dict[str, CellSpace] = {name: cell_space(name, **keys) for name, keys in DECLARED.items()}
