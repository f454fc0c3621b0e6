"""What a search really cost, from its history and the prices in budget.json. Imports no torch.

All costs are training multiply-accumulates for each image of the training set; of text, of the whole training. A search
by evaluations costs the sum of them, in the order of its history; a supernet costs the epochs that it trained.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

from nas_steps.estimation.estimates import SCREENED
from nas_steps.provenance.files import number

#: a line of history.csv
Line = Mapping[str, str]


def evaluated(history: Sequence[Line]) -> list[Line]:
    """Return the lines of what was evaluated, failed or not, in the order of asking."""
    return [line for line in history if line["status"] != SCREENED]


def cumulated(history: Sequence[Line], prices: Mapping[str, Any]) -> list[float]:
    """Return what a search cost up to each of its evaluations; a shared supernet is paid before the first one.

    `prices` is `evaluation` of budget.json. The screening of a round is shared out evenly over its evaluations: what a
    screen keeps in a round is as good from its first to its last one.
    """
    screening = _screening(history, prices["screened"])
    costs = [_evaluation(line, prices) + screening[line["round"]] for line in evaluated(history)]
    return list(accumulate(costs, initial=prices["supernet"]))[1:]


def seconds(history: Sequence[Line], before: float = 0.0) -> list[float]:
    """Return the seconds of a search up to each of its evaluations; `before` are those of a shared supernet.

    What a screen took is shared out as its cost is. Seconds that a table does not tell are NaN.
    """
    screening: dict[str, float] = defaultdict(float)
    kept = Counter(line["round"] for line in evaluated(history))
    for line in history:
        if line["status"] == SCREENED:
            screening[line["round"]] += number(line["seconds"]) / kept[line["round"]]
    each = (number(line["seconds"]) + screening[line["round"]] for line in evaluated(history))
    return list(accumulate(each, initial=before))[1:]


def _evaluation(line: Line, prices: Mapping[str, Any]) -> float:
    epochs = _count(line["epochs"])
    scores = epochs if prices["each_epoch"] else prices["scores"] if epochs and line["status"] == "ok" else 0
    macs = (_count(line["macs"]) or prices["macs"]) * prices["scale"]
    passes = macs * (prices["epoch"] * epochs + prices["score"] * scores + prices["untrained"])
    # a part of a training on text costs the same for every network
    return float(passes + prices.get("part", 0.0) * epochs)


def _screening(history: Sequence[Line], price: float) -> dict[str, float]:
    """Return, by round, the cost of screening for one evaluation; what is promoted was screened before."""
    kept = Counter(line["round"] for line in evaluated(history))
    screened: Counter[str] = Counter()
    known: set[str] = set()
    for line in history:
        screened[line["round"]] += line["architecture"] not in known
        known.add(line["architecture"])
    return {name: price * screened[name] / count for name, count in kept.items()}


def supernet(history: Sequence[Line], prices: Mapping[str, Any]) -> float:
    """Return what a search by a supernet of its own cost; `prices` are those of its strategy in budget.json.

    An epoch that diverged was trained, too; nothing is chosen or scored after it.
    """
    cost, before = 0.0, 0
    for stage in prices.get("stages") or [{**prices, "epochs": len(history)}]:
        lines = history[before : before + stage["epochs"]]
        before += stage["epochs"]
        warmup = min(len(lines), stage["warmup_epochs"])
        cost += warmup * stage["warmup_epoch"] + (len(lines) - warmup) * stage["epoch"]
        cost += stage["product"] * sum(1 + _count(line["products"]) for line in lines if line["products"])
    if history and history[-1]["status"] != "diverged":
        cost += prices["selection"] + prices["drawn"] * _count(history[-1]["drawn"])
    return float(cost)


def _count(cell: str) -> float:
    value = number(cell)
    return value if value > 0 else 0.0
