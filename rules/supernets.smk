# Strategies that train a supernet of their own; in a benchmark's table their networks are looked up.
rule darts:
    """Train a supernet whose alphas weigh the operations; keep the likeliest cells."""
    input:
        data=DATA("train", "valid"),
    output:
        **step("darts").outputs,
    log:
        step("darts").log,
    wildcard_constraints:
        strategy=plan.strategies_of("darts"),
    priority: 1
    threads: processes("darts", THREADS)
    resources:
        **together("darts"),
    params:
        **step("darts"),
    shell:
        RUN


rule enas:
    """Train a controller by REINFORCE over shared weights; keep the best architectures that it draws."""
    input:
        data=DATA("train", "valid"),
        weights=plan.pretrained(),
    output:
        **step("enas").outputs,
    log:
        step("enas").log,
    wildcard_constraints:
        strategy=plan.strategies_of("enas"),
    priority: 1
    threads: THREADS
    resources:
        **TRAINING,
    params:
        **step("enas"),
    shell:
        RUN
