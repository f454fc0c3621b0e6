"""What search and what scaling bring to language models: the factorial over the first and the last rung.

Its cells are the best losses of two networks, searched and hand-designed, at the least and at the most compute. The
words are those of `nas_steps.scaling.effects`. Imports no torch.
"""

import numpy as np

from nas_steps.scaling.isoflop import Floats

#: both: the searched network with the most compute, less the other one with the least
#: search, scaling: its parts, each averaged over both orders of adding them (Shapley 1953)
#: interaction: what scaling brings the searched network, less what it brings the other one
EFFECTS = ("both", "search", "scaling", "interaction")


def effects(losses: Floats, searched: int, baseline: int) -> Floats:
    """Return the effects (..., 4) in losses saved, from the best losses (..., networks, rungs)."""
    mine, others = losses[..., searched, :], losses[..., baseline, :]
    search = ((others - mine)[..., 0] + (others - mine)[..., -1]) / 2
    gained, given = mine[..., 0] - mine[..., -1], others[..., 0] - others[..., -1]
    scaling = (gained + given) / 2
    return np.stack([search + scaling, search, scaling, gained - given], axis=-1)
