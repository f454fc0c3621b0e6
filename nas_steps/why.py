"""A preview: which jobs a run would compute anew, because of what, and at what cost.

`python -m nas_steps.why CONFIG [CONFIG...] [--config key=value ...]`, started where snakemake is started. Several
configs and overrides are laid over each other as snakemake does it. Nothing is run.
"""

from collections import Counter
from collections.abc import Sequence

from nas_steps.provenance.task import parser, run
from nas_steps.workflow.plan import Plan, check_files, merged
from nas_steps.workflow.steps import STEPS
from nas_steps.workflow.why.causes import FOLLOWS, Causes
from nas_steps.workflow.why.costs import Estimate, Ledger
from nas_steps.workflow.why.jobs import Job, dry_run

MODULE = "nas_steps.why"
#: causes shown of one rule
SHOWN = 6
DEFAULT = "config/config.yaml"


def main(arguments: Sequence[str]) -> None:
    options = parser(MODULE, __doc__ or "")
    options.add_argument("configs", nargs="*", metavar="CONFIG", help=f"YAML files; {DEFAULT} when none is named")
    options.add_argument("--config", nargs="+", default=[], metavar="KEY=VALUE", help="overrides, as of snakemake")
    given = options.parse_args(arguments)
    configs = given.configs or [DEFAULT]
    plan = Plan(merged(configs, given.config), check_files(list(configs)))
    jobs = dry_run(configs, given.config)
    print(table(plan, jobs))


def table(plan: Plan, jobs: Sequence[Job]) -> str:
    """Return the whole answer as text."""
    if not jobs:
        return f"{plan.folder}: nothing is stale"
    causes, ledger = Causes(plan), Ledger(plan)
    rows = [("rule", "jobs", "cost", ["why"])]
    total = Estimate()
    by_rule: dict[str, list[Job]] = {}
    for job in jobs:
        by_rule.setdefault(job.rule, []).append(job)
    for rule in [name for name in STEPS if name in by_rule]:
        cost = ledger.estimate(by_rule[rule])
        total += cost
        rows.append((rule, str(len(by_rule[rule])), str(cost), reasons(causes, by_rule[rule])))
    rows.append(("together", str(len(jobs)), str(total), [f"of computing: {legend(total)}"]))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = []
    for name, count, price, why in rows:
        head = f"{name:<{widths[0]}}  {count:>{widths[1]}}  {price:<{widths[2]}}  "
        lines += [head + why[0], *(" " * len(head) + line for line in why[1:])]
    return "\n".join(line.rstrip() for line in lines)


def reasons(causes: Causes, jobs: Sequence[Job]) -> list[str]:
    """Return the causes of a rule's jobs, the commonest first, with numbers of jobs; last the rules it follows."""
    counts = Counter(cause for job in jobs for cause in causes.of(job))
    lines = [
        cause if count == len(jobs) else f"{cause} ({count} of {len(jobs)} jobs)"
        for cause, count in counts.most_common()
        if not cause.startswith(FOLLOWS)
    ]
    if len(lines) > SHOWN:
        lines = [*lines[: SHOWN - 1], f"and {len(lines) - SHOWN + 1} more"]
    if followed := [cause.removeprefix(FOLLOWS) for cause in counts if cause.startswith(FOLLOWS)]:
        few = len(followed) <= SHOWN
        lines.append(FOLLOWS + (", ".join(followed) if few else f"{len(followed)} other rules"))
    return lines


def legend(total: Estimate) -> str:
    parts = [
        (total.same, "by their own earlier run"),
        (total.like, "by the mean of their rule's others"),
        (total.unknown, "never measured"),
        (total.unmeasured, "that only gather or count, of seconds each"),
    ]
    return ", ".join(f"{count} jobs {words}" if count != 1 else f"1 job {words}" for count, words in parts if count)


if __name__ == "__main__":
    run(main, MODULE)
