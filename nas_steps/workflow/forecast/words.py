"""What a dry run and the beginning of a run say of their length."""

from __future__ import annotations

from nas_steps.workflow.forecast.forecast import Forecast, Total
from nas_steps.workflow.forecast.speeds import BATCH_SECONDS, MACS_PER_SECOND
from nas_steps.workflow.why.costs import spelled

#: share of the time that must be measured for an estimate without reserve
KNOWN = 0.5


def lines(forecast: Forecast) -> list[str]:
    """Return a table of stages and a sentence: how long, and how that is known."""
    images, sizes = forecast.workload.images, forecast.workload.sizes
    rows: list[tuple[str, ...]] = [("what", "jobs", "trainings", "image passes", "time")]
    rows += [_row(name, total) for name, total in forecast.stages.items()]
    rows.append(_row("together", forecast.total))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    table = [
        "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    mean = sizes.candidate(final=True)
    network = f"networks of {_short(mean)} multiply-accumulates on average"
    head = (
        f"Estimate for {forecast.plan.folder}: {images.train:,} training images of {images.side} x {images.side} "
        f"pixels, {network}"
    )
    return [head, *(f"  {line}" for line in table), sentence(forecast)]


def sentence(forecast: Forecast) -> str:
    """Return how long it takes, and how that is known."""
    unit = "core" if forecast.device == "cpu" else "GPU"
    count = forecast.slots * (forecast.plan.config.threads if unit == "core" else 1)
    on = f"on {count} {unit}{'s' * (count > 1)}"
    if forecast.slots > 1:
        time = f"about {spelled(forecast.seconds)} {on} ({spelled(forecast.total.seconds)} of computing)"
    else:
        time = f"about {spelled(forecast.seconds)} {on}"
    if forecast.measured >= KNOWN:
        return f"Time: {time}, by jobs of the kind that ran here before."
    if forecast.speeds.probed:
        return f"Time: {time}, by the measured seconds of a training step on this machine."
    rate = f"{MACS_PER_SECOND / 1e9:g}e9 multiply-accumulates a second and a batch in {1000 * BATCH_SECONDS:g} ms more"
    return f"Time: unknown until a run here has measured it; {time} if a core does {rate}."


def _row(name: str, total: Total) -> tuple[str, ...]:
    trainings = f"{total.work.networks:,.0f}" if total.work.networks else ""
    passes = f"{total.work.passes:,.0f}" if total.work.passes else ""
    return name, str(total.jobs), trainings, passes, spelled(total.seconds)


def _short(count: float) -> str:
    """`0.62 million`, `384 million`, `4.1 thousand million`."""
    millions = count / 1e6
    return f"{millions:.3g} million" if millions < 1e4 else f"{millions / 1000:.3g} thousand million"
