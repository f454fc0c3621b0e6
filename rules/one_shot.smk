# If architectures are scored by shared weights: a supernet for each search seed, searched by one job a strategy.
rule supernet:
    """Train the supernet that all strategies of a search seed share."""
    input:
        data=DATA("train"),
        weights=plan.pretrained(),
    output:
        **step("supernet").outputs,
    log:
        step("supernet").log,
    priority: 1
    threads: processes("supernet", THREADS)
    resources:
        **together("supernet"),
    params:
        **step("supernet"),
    shell:
        RUN


rule supernet_statistics:
    """Look at a trained supernet: accuracies of a fixed sample of architectures."""
    input:
        data=DATA("train", "valid"),
        weights=rules.supernet.output.weights,
    output:
        **step("supernet_statistics").outputs,
    log:
        step("supernet_statistics").log,
    priority: 1
    threads: THREADS
    resources:
        **SCORING,
    params:
        **step("supernet_statistics"),
    shell:
        RUN


rule one_shot:
    """Search by the shared weights of a trained supernet."""
    input:
        data=DATA("train", "valid"),
        weights=rules.supernet.output.weights,
        blocks=BLOCKS,
    output:
        **step("one_shot").outputs,
    log:
        step("one_shot").log,
    wildcard_constraints:
        strategy=plan.strategies_of("one_shot"),
    priority: 1
    threads: THREADS
    resources:
        **SCORING,
    params:
        **step("one_shot"),
    shell:
        RUN
