"""Language models by the clock: some mixers run slower than their FLOPs say. The page prints `RULE`."""

from collections.abc import Sequence
from statistics import fmean

from nas_steps.report import gains, numbers
from nas_steps.report.records import Entry, Stage
from nas_steps.report.results import Results
from nas_steps.report.signals import Sentence, agree

RULE = (
    "All trainings have the same FLOPs, whatever their time. By the clock, the slower of two networks is read at the "
    "end of its last part before the faster one ended. Its learning rate has not come down then, which favours the "
    "faster one. Seconds are those of the machine that trained, whatever ran beside it."
)


def by_the_clock(results: Results) -> Sentence | None:
    """Compare the best searched network with the best baseline by the time of a training; None without figures."""
    pair = _pair(results) if results.text else None
    if pair is None:
        return None
    own, other = pair
    if not own.train_seconds or not other.train_seconds:
        return None
    times = own.train_seconds / other.train_seconds
    text = f"At the same training FLOPs {own.entry} took {numbers.ratio(times)} times the seconds of {other.entry}"
    told = f"{text} ({numbers.seconds(own.train_seconds)} and {numbers.seconds(other.train_seconds)})."
    tone = "warning" if times > 1 and not agree(times) else "plain"
    fast, slow = (other, own) if times > 1 else (own, other)
    return Sentence(f"{told}{_standing(results, fast.entry, slow.entry)}", tone)  # type: ignore[arg-type]


def _pair(results: Results) -> tuple[Entry, Entry] | None:
    """Return the recommended network if it was searched, or else the best ranked winner; and the best baseline."""
    recommended = results.entry(str((results.recommended or {}).get("entry") or ""))
    searched = recommended is not None and recommended.kind in ("searched", "random")
    own = recommended if searched else gains.best_ranked(results)
    names = [row.against for row in results.contests if row.role == "baseline"]
    other = results.entry(names[0]) if names else None
    return None if own is None or other is None else (own, other)


def _standing(results: Results, fast: str, slow: str) -> str:
    """Tell where the slower network stood when the faster one had ended; empty without curves."""
    quick, late = results.curves.get(fast, ()), results.curves.get(slow, ())
    if not quick or not late:
        return ""
    time = fmean(stages[-1].seconds for stages in quick)
    reached = [done for stages in late if (done := _before(stages, time)) is not None]
    if len(reached) < len(late) or all(done is stages[-1] for done, stages in zip(reached, late, strict=True)):
        return ""
    share = fmean(done.part / stages[-1].part for done, stages in zip(reached, late, strict=True))
    level = results.measure.level
    return (
        f" By the clock: when {fast} had ended, {slow} had done {numbers.share(share, 0)} of its training and stood at "
        f"{level(fmean(done.figure for done in reached))} of validation text, against "
        f"{level(fmean(stages[-1].figure for stages in quick))}."
    )


def _before(stages: Sequence[Stage], time: float) -> Stage | None:
    """Return the last part of a training that had ended by a time; None if none had."""
    ended = [stage for stage in stages if stage.seconds <= time]
    return ended[-1] if ended else None
