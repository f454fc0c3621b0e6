"""How well latencies summed from blocks predict those of whole networks."""

from nas_steps.report import numbers
from nas_steps.report.columns import Column, Table, figures, text
from nas_steps.report.results import Results
from nas_steps.report.signals import Sentence

#: a mean error of at least this share is a caution
LARGE_ERROR = 0.1

RULE = (
    "A latency that was a constraint or an objective was predicted from blocks that were measured once. A warning says "
    f"that the predictions for whole random networks were off by {100 * LARGE_ERROR:.0f} % or more in the mean."
)


def latencies(results: Results) -> Table:
    """One row a random network: its predicted and its measured latency."""
    compared = (results.latency or {}).get("validation", {}).get("networks", ())
    rows = [
        {**one, "network": number, "error": one["predicted_ms"] / one["measured_ms"] - 1}
        for number, one in enumerate(sorted(compared, key=lambda one: float(one["measured_ms"])), start=1)
    ]
    # the architectures are long: the CSV has them
    columns = (
        text("network", "network, fastest first"),
        *figures(numbers.milliseconds, predicted_ms="predicted, ms", measured_ms="measured, ms"),
        Column("error", "error", lambda row: f"{numbers.points(row['error'], sign=True)} %"),
    )
    keys = ("network", "architecture", "predicted_ms", "measured_ms", "error")
    caption = "Latency of random networks, predicted from blocks and measured"
    return Table("latencies", caption, keys, columns, rows)


def foretold(results: Results) -> list[Sentence]:
    """Tell what latency was in the search, and how far its predictions were off; empty if it played no part."""
    record = results.latency
    if record is None:
        return []
    limit = results.config.search.constraints and results.config.search.constraints.latency_ms
    asked = "Latency was an objective" if limit is None else f"No network may take more than {limit:g} ms"
    validation = record["validation"]
    error, largest = (validation[f"{which}_error_percent"] / 100 for which in ("mean_absolute", "largest"))
    correlation = validation["rank_correlation"]
    text = (
        f"{asked}: one pass of {numbers.plural(record['batch'], 'image')} by {record['runtime']} on "
        f"{record['device']}, {numbers.plural(record['threads'], 'thread')}, predicted from its blocks. For "
        f"{numbers.plural(len(validation['networks']), 'random network')} the predictions were off by "
        f"{numbers.share(error)} in the mean, at most by {numbers.points(largest, sign=True)} %"
    )
    text += "" if correlation is None else f"; Spearman's correlation with what was measured is {correlation:.2f}"
    load, processors = record.get("load"), record.get("processors")
    if load and processors and load[0] > processors:
        text += f". The machine was busy meanwhile (load {load[0]:.1f} on {numbers.plural(processors, 'processor')})"
    return [Sentence(f"{text}.", "warning" if error >= LARGE_ERROR else "plain")]
