"""Draw a uniform sample of a space: what ranking judges scores by, and what is trained in the end without a search.

Both take the first architectures of one draw, so that the same networks have a short and a final accuracy. Their
trainings are not shared: ranking must not read the test set, and it keeps no weights. Imports no torch.
"""

from random import Random

from nas_steps.provenance.seeds import derive_seed
from nas_steps.search.protocol import Seen
from nas_steps.spaces.protocol import Space


def draw(space: Space, count: int, seed: int) -> list[str]:
    """Draw non-isomorphic architectures uniformly: all if there are no more. A larger `count` begins with the same.

    Raises UserError if draws find none in a space that is too large to be listed.
    """
    return [str(one) for one in Seen(space).fill(count, Random(derive_seed(seed, "uniform sample")))]
