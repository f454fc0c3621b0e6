# Winners and baselines by one recipe. These are the first rules that have the test files among their inputs.
rule retrain:
    """Train one entry by the final recipe and test it once."""
    input:
        data=DATA("train", "valid", "test"),
        winners=lambda w: plan.winners(w.entry),
        blocks=lambda w: plan.drawn_within(w.entry),
    output:
        **step("retrain").outputs,
    log:
        step("retrain").log,
    threads: processes("retrain", THREADS)
    resources:
        **together("retrain"),
    params:
        **step("retrain"),
    shell:
        RUN


rule gather_retraining:
    """Summarise and compare all final trainings."""
    input:
        data=DATA("test"),
        trainings=every("retrain", "metrics"),
        predictions=every("retrain", "predictions"),
        opponents=f"{plan.folder}/ranking/opponents.csv",
    output:
        **step("gather_retraining").outputs,
    log:
        step("gather_retraining").log,
    resources:
        **GATHERING,
    params:
        **step("gather_retraining"),
    shell:
        RUN


rule recommend:
    """Recommend a network by validation figures, and list what is exported."""
    input:
        data=DATA("valid"),
        trainings=every("retrain", "metrics"),
        predictions=every("retrain", "predictions"),
        summary=rules.gather_retraining.output.summary,
        winners=plan.judged_by(),
    output:
        **step("recommend").outputs,
    log:
        step("recommend").log,
    resources:
        **GATHERING,
    params:
        **step("recommend"),
    shell:
        RUN
