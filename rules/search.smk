# Sampling strategies go propose -> evaluate (scattered) -> propose ...
rule measure_blocks:
    """Count what each block of a network costs, and measure its latency if that is wanted."""
    input:
        data=DATA(),
    output:
        **step("measure_blocks").outputs,
    log:
        step("measure_blocks").log,
    priority: 1
    threads: plan.latency_threads
    resources:
        **{**SCORING, "gpu": session.gpus(alone=True) if plan.measures_on_device else 0},
    params:
        **step("measure_blocks"),
    shell:
        RUN


rule profile_space:
    """Tell what the space's networks cost, and how many of them keep the constraints."""
    input:
        data=DATA(),
        blocks=BLOCKS,
    output:
        **step("profile_space").outputs,
    log:
        step("profile_space").log,
    priority: 1
    resources:
        **COUNTING,
    params:
        **step("profile_space"),
    shell:
        RUN


rule budget:
    """Count each strategy's training cost and match random search to it."""
    input:
        data=DATA(),
        blocks=BLOCKS,
    output:
        **step("budget").outputs,
    log:
        step("budget").log,
    priority: 1
    resources:
        **COUNTING,
    params:
        **step("budget"),
    shell:
        RUN


rule propose:
    """Ask a strategy for the architectures of its next round."""
    input:
        # one function: of thousands of rounds, Snakemake asks it for each
        unpack(lambda w: plan.asked(w.strategy, w.seed, int(w.round))),
        blocks=BLOCKS,
    output:
        **step("propose").outputs,
    log:
        step("propose").log,
    priority: 1
    resources:
        **GATHERING,
    params:
        **step("propose"),
    shell:
        RUN


rule screen:
    """Choose which of a round's proposals are evaluated, by a score that needs no training."""
    input:
        data=DATA("train", "valid"),
        proposals=rules.propose.output.proposals,
    output:
        **step("screen").outputs,
    log:
        step("screen").log,
    priority: 1
    threads: THREADS
    resources:
        **SCORING,
    params:
        **step("screen"),
    shell:
        RUN


rule evaluate:
    """Score a share of a round's architectures."""
    input:
        data=DATA("train", "valid"),
        weights=plan.pretrained(),
        proposals=(
            rules.screen.output.screened
            if plan.screens
            else rules.propose.output.proposals
        ),
    output:
        **step("evaluate").outputs,
    log:
        step("evaluate").log,
    priority: 1
    threads: THREADS
    resources:
        **SCORING,
    params:
        **step("evaluate"),
    shell:
        RUN


rule gather_search:
    """End a strategy that asks and tells: candidates and history."""
    input:
        # the last of them is read; all are named, so that Snakemake walks from round to round, not down all at once
        earlier=lambda w: plan.proposed(w.strategy, w.seed),
        evaluated=lambda w: plan.evaluated(w.strategy, w.seed),
        predictions=lambda w: plan.proposed(w.strategy, w.seed, "predictions"),
    output:
        **step("gather_search").outputs,
    log:
        step("gather_search").log,
    wildcard_constraints:
        strategy=plan.strategies_of("gather_search"),
    priority: 1
    resources:
        **GATHERING,
    params:
        **step("gather_search"),
    shell:
        RUN
