# If an evaluation is a look into a benchmark's table: a search is one job, and so is all that follows the searches.
rule fit_surrogate:
    """Fit and check the surrogate that completes a benchmark's table."""
    output:
        **step("fit_surrogate").outputs,
    log:
        step("fit_surrogate").log,
    resources:
        **COUNTING,
    params:
        **step("fit_surrogate"),
    shell:
        RUN


rule replay:
    """Search in a benchmark's table."""
    input:
        surrogate=every("fit_surrogate", "surrogate"),
    output:
        **step("replay").outputs,
    log:
        step("replay").log,
    wildcard_constraints:
        strategy=plan.strategies_of("replay"),
    resources:
        **COUNTING,
    params:
        **step("replay"),
    shell:
        RUN


rule rank_in_table:
    """Name the winners of searches in a benchmark's table."""
    input:
        surrogate=every("fit_surrogate", "surrogate"),
        candidates=plan.candidates(),
        histories=plan.histories(),
        costs=every("darts", "cost") + every("enas", "cost"),
    output:
        **step("rank_in_table").outputs,
    log:
        step("rank_in_table").log,
    resources:
        **COUNTING,
    params:
        **step("rank_in_table"),
    shell:
        RUN


rule lookup:
    """Look the searches' winners up in the benchmark's table, and compare the strategies."""
    input:
        surrogate=every("fit_surrogate", "surrogate"),
        winners=rules.rank_in_table.output.winners,
        opponents=rules.rank_in_table.output.opponents,
        largest=rules.rank_in_table.output.largest,
    output:
        **step("lookup").outputs,
    log:
        step("lookup").log,
    resources:
        **COUNTING,
    params:
        **step("lookup"),
    shell:
        RUN


rule reproduce:
    """Compare the looked up accuracies of each strategy with published ones."""
    input:
        retrained=rules.lookup.output.retrained,
    output:
        **step("reproduce").outputs,
    log:
        step("reproduce").log,
    resources:
        **COUNTING,
    params:
        **step("reproduce"),
    shell:
        RUN
