# The first ranked architecture, scaled: a grid of triples, the best on valid, the members B0, B1, ...
rule describe_grid:
    """List the grid's triples with the size that each gives the winner."""
    input:
        data=DATA(),
        ranked=rules.rank.output.ranked,
    output:
        **step("describe_grid").outputs,
    log:
        step("describe_grid").log,
    resources:
        **COUNTING,
    params:
        **step("describe_grid"),
    shell:
        RUN


rule train_grid:
    """Train a share of the triples for a short while."""
    input:
        data=DATA("train", "valid"),
        ranked=rules.rank.output.ranked,
        triples=rules.describe_grid.output.triples,
    output:
        **step("train_grid").outputs,
    log:
        step("train_grid").log,
    threads: THREADS
    resources:
        **SCORING,
    params:
        **step("train_grid"),
    shell:
        RUN


rule choose_scaling:
    """Choose the triple and describe the members."""
    input:
        data=DATA(),
        ranked=rules.rank.output.ranked,
        triples=rules.describe_grid.output.triples,
        scores=every("train_grid", "scores"),
    output:
        **step("choose_scaling").outputs,
    log:
        step("choose_scaling").log,
    resources:
        **COUNTING,
    params:
        **step("choose_scaling"),
    shell:
        RUN


rule train_member:
    """Train one member, if it is within the budget, and test it once."""
    input:
        data=DATA("train", "valid", "test"),
        chosen=rules.choose_scaling.output.chosen,
        members=rules.choose_scaling.output.members,
        # with a warm start, the next smaller member's training
        smaller=lambda w: plan.smaller("metrics", w.member, w.seed),
        start=lambda w: plan.smaller("weights", w.member, w.seed),
    output:
        **step("train_member").outputs,
    log:
        step("train_member").log,
    threads: processes("train_member", THREADS)
    resources:
        **together("train_member"),
    params:
        **step("train_member"),
    shell:
        RUN


rule gather_family:
    """Make one table of the family."""
    input:
        members=rules.choose_scaling.output.members,
        trainings=every("train_member", "metrics"),
    output:
        **step("gather_family").outputs,
    log:
        step("gather_family").log,
    resources:
        **GATHERING,
    params:
        **step("gather_family"),
    shell:
        RUN


# Search against scaling: every base in every way of scaling at matched MACs, a job for each cell and seed.
rule describe_designs:
    """List the networks of one repetition of the factorial, with the size of each."""
    input:
        data=DATA(),
        chosen=rules.choose_scaling.output.chosen,
        winners=rules.rank.output.winners,
        blocks=BLOCKS,
    output:
        **step("describe_designs").outputs,
    log:
        step("describe_designs").log,
    resources:
        **COUNTING,
    params:
        **step("describe_designs"),
    shell:
        RUN


rule train_design:
    """Train one network of the factorial and test it once."""
    input:
        data=DATA("train", "valid", "test"),
        designs=rules.describe_designs.output.designs,
    output:
        **step("train_design").outputs,
    log:
        step("train_design").log,
    threads: processes("train_design", THREADS)
    resources:
        **together("train_design"),
    params:
        **step("train_design"),
    shell:
        RUN


rule gather_factorial:
    """Make one table of the factorial's cells, and one of the effects of search and scaling."""
    input:
        designs=every("describe_designs", "designs"),
        trainings=every("train_design", "metrics"),
    output:
        **step("gather_factorial").outputs,
    log:
        step("gather_factorial").log,
    resources:
        **GATHERING,
    params:
        **step("gather_factorial"),
    shell:
        RUN


# Does it last? Language models at several sizes with the compute of each rung; a job for each network, rung and seed.
if plan.climbs:

    localrules:
        gather_rungs,

    rule train_rung:
        """Train one network at all its sizes with the compute of one rung."""
        input:
            data=DATA("train", "valid"),
            winners=lambda w: plan.climber(w.network),
        output:
            **step("train_rung").outputs,
        log:
            step("train_rung").log,
        threads: THREADS
        resources:
            **TRAINING,
        params:
            **step("train_rung"),
        shell:
            RUN

    rule gather_rungs:
        """Estimate the best loss of each network at each compute, and the compute multipliers of the searched ones."""
        input:
            trained=every("train_rung", "trained"),
        output:
            **step("gather_rungs").outputs,
        log:
            step("gather_rungs").log,
        resources:
            **GATHERING,
        params:
            **step("gather_rungs"),
        shell:
            RUN
