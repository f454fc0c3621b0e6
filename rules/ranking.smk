# The best candidates of every search, trained anew and ranked; beside them a uniform sample of the space, trained alike
# and scored as in the search, which tells how well the scores rank.
rule sample:
    """Draw the architectures by which scores are judged: uniformly, no two of them isomorphic."""
    input:
        blocks=BLOCKS,
    output:
        **step("sample").outputs,
    log:
        step("sample").log,
    priority: 1
    resources:
        **GATHERING,
    params:
        **step("sample"),
    shell:
        RUN


rule train_sample:
    """Train a share of the uniform sample as the shortlist is trained."""
    input:
        data=DATA("train", "valid"),
        weights=plan.pretrained(),
        proposals=rules.sample.output.sample,
    output:
        **step("train_sample").outputs,
    log:
        step("train_sample").log,
    priority: 1
    threads: THREADS
    resources:
        **SCORING,
    params:
        **step("train_sample"),
    shell:
        RUN


if plan.one_shot:

    rule score_by_supernet:
        """Score the uniform sample by the shared weights of search seed 0."""
        input:
            data=DATA("train", "valid"),
            weights=plan.file("supernet", "weights", seed=0),
            architectures=rules.sample.output.sample,
        output:
            **step("score_by_supernet").outputs,
        log:
            step("score_by_supernet").log,
        priority: 1
        threads: THREADS
        resources:
            **SCORING,
        params:
            **step("score_by_supernet"),
        shell:
            RUN

else:

    rule score_sample:
        """Score a share of the uniform sample as the search scores."""
        input:
            data=DATA("train", "valid"),
            weights=plan.pretrained(),
            proposals=rules.sample.output.sample,
        output:
            **step("score_sample").outputs,
        log:
            step("score_sample").log,
        priority: 1
        threads: THREADS
        resources:
            **SCORING,
        params:
            **step("score_sample"),
        shell:
            RUN


rule screen_sample:
    """Score a share of the uniform sample by the screen's proxy."""
    input:
        data=DATA("train", "valid"),
        weights=plan.pretrained(),
        proposals=rules.sample.output.sample,
    output:
        **step("screen_sample").outputs,
    log:
        step("screen_sample").log,
    priority: 1
    threads: THREADS
    resources:
        **SCORING,
    params:
        **step("screen_sample"),
    shell:
        RUN


rule calibrate:
    """Judge by the uniform sample how many of the best scored candidates must be trained."""
    input:
        sample=rules.sample.output.sample,
        trainings=every("train_sample", "estimates"),
        scores=every("score_sample", "estimates") + every("score_by_supernet", "scores"),
        candidates=plan.candidates(),
    output:
        **step("calibrate").outputs,
    log:
        step("calibrate").log,
    priority: 1
    resources:
        **COUNTING,
    params:
        **step("calibrate"),
    shell:
        RUN


rule match:
    """Count how many of random search's first evaluations cost as much as each other search."""
    input:
        budget=plan.budgeted,
        histories=plan.histories(),
    output:
        **step("match").outputs,
    log:
        step("match").log,
    priority: 1
    resources:
        **GATHERING,
    params:
        **step("match"),
    shell:
        RUN


rule shortlist:
    """Take the best candidates of each search, and of random search within smaller budgets."""
    input:
        candidates=plan.candidates(),
        histories=plan.histories(),
        matches=rules.match.output.matches,
        calibration=(
            rules.calibrate.output.calibration
            if plan.config.ranking.shortlist == "auto"
            else []
        ),
    output:
        **step("shortlist").outputs,
    log:
        step("shortlist").log,
    priority: 1
    resources:
        **GATHERING,
    params:
        **step("shortlist"),
    shell:
        RUN


rule train_shortlist:
    """Train a share of the shortlist anew; what is in the sample, too, is trained once."""
    input:
        data=DATA("train", "valid"),
        weights=plan.pretrained(),
        proposals=rules.shortlist.output.shortlist,
    output:
        **step("train_shortlist").outputs,
    log:
        step("train_shortlist").log,
    priority: 1
    threads: THREADS
    resources:
        **SCORING,
    params:
        **step("train_shortlist"),
    shell:
        RUN


rule rank:
    """Rank the shortlist by its new trainings."""
    input:
        budget=plan.budgeted,
        histories=plan.histories(),
        matches=rules.match.output.matches,
        costs=every("darts", "cost") + every("enas", "cost"),
        supernets=every("supernet", "cost"),
        shortlist=rules.shortlist.output.shortlist,
        trainings=every("train_shortlist", "estimates"),
    output:
        **step("rank").outputs,
    log:
        step("rank").log,
    priority: 1
    resources:
        **GATHERING,
    params:
        **step("rank"),
    shell:
        RUN


rule compare:
    """Hold every estimator's scores of the pool against the accuracies after separate training."""
    input:
        shortlist=rules.shortlist.output.shortlist,
        trainings=every("train_shortlist", "estimates")
        + every("train_sample", "estimates"),
        sample=every("sample", "sample"),
        scores=every("score_sample", "estimates") + every("score_by_supernet", "scores"),
        screening=every("screen_sample", "estimates"),
    output:
        **step("compare").outputs,
    log:
        step("compare").log,
    priority: 1
    resources:
        **GATHERING,
    params:
        **step("compare"),
    shell:
        RUN
