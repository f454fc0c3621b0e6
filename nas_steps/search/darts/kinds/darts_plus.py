"""DARTS+ (Liang et al. 2019, section 3.3)."""

import math
from collections.abc import Sequence

from nas_steps.config.strategies import DartsPlus
from nas_steps.search.darts.learner import DartsLearner, Weights
from nas_steps.spaces.cells.operations import OPERATIONS
from nas_steps.training.loop import Row

#: standard deviation of the alphas before they learn (Liu et al. 2019, section A.1.1)
INITIAL = 1e-3


class Learner(DartsLearner):
    """Stops before skip connections take over: at a number of them, or when the rankings of operations are stable.

    The operations that are ranked have weights. Alphas whose differences are noise stop nothing."""

    settings: DartsPlus

    def facts(self, mix: Weights) -> Row:
        """Return the rankings of operations with weights on the edges that have two, the skip connections that lead
        their edges beyond noise, and whether an operation with weights leads the others so on any edge."""
        space, least = self.supernet.space, self.settings.stop_lead * self.noise()
        rankings: dict[str, list[list[str]]] = {}
        skips, decided = 0, False
        (architecture, *_), *_ = self.most_likely(mix)
        kept = {kind: _operations_of(cell) for kind, cell in space.parse(architecture).cells.items()}
        for kind, rows in mix.items():
            rankings[kind] = []
            for index, (edge, row) in enumerate(zip(space.edges(), rows, strict=True)):
                logs = {
                    name: math.log(max(row[space.operations.index(name)], 1e-300))
                    for name in space.choices_of(kind, index)
                }
                ranking = sorted((name for name in logs if OPERATIONS[name]), key=lambda name: -logs[name])
                if len(ranking) > 1:
                    rankings[kind].append(ranking)
                    decided |= logs[ranking[0]] - logs[ranking[1]] > least
                if kind == space.kinds[0] and kept[kind].get(edge) == "skip_connect":
                    others = [log for name, log in logs.items() if name != "skip_connect"]
                    skips += all(logs["skip_connect"] - log > least for log in others)
        return {"ranking": rankings, "leading_skips": skips, "decided": decided}

    def noise(self) -> float:
        """Return the standard deviation of the difference of two alphas of an edge if their gradients are noise.

        Adam then moves each by a random walk with steps of the learning rate. Gradients of an edge's softmax sum to
        zero, so that two alphas may move in opposite directions: the difference has twice an alpha's deviation."""
        steps = max(0, self.epoch - self.settings.warmup_epochs) * self.batch
        return 2 * math.hypot(INITIAL, self.settings.alpha_learning_rate * math.sqrt(steps))

    def reason_to_stop(self, rows: Sequence[Row]) -> str:
        learnt = len(rows) - self.settings.warmup_epochs
        if learnt <= 0:
            return ""
        if rows[-1]["leading_skips"] >= self.settings.stop_skips:
            return f"the normal cell has {rows[-1]['leading_skips']} skip connections after epoch {len(rows)}"
        span = self.settings.stop_stable + 1
        ranked = rows[-1]["decided"] and learnt >= span
        if ranked and len({str(row["ranking"]) for row in rows[-span:]}) == 1:
            stable = f"did not change in {self.settings.stop_stable} epochs"
            return f"the ranking of the operations with weights {stable}"
        return ""


def _operations_of(cell: Sequence[Sequence[tuple[str, int]]]) -> dict[tuple[int, int], str]:
    return {(node, source): operation for node, edges in enumerate(cell) for operation, source in edges}
