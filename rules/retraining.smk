# Winners, uniformly drawn networks and baselines by one recipe, and by further ones. These are the first rules that have the test files among their inputs.
rule retrain:
    """Train one entry by the final recipe and test it once."""
    input:
        data=DATA("train", "valid", "test"),
        weights=plan.pretrained(),
        supernet=lambda w: plan.inherited(w.entry),
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
        opponents=rules.rank.output.opponents,
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


rule retrain_by_recipe:
    """Train one entry by a further recipe and test it once."""
    input:
        data=DATA("train", "valid", "test"),
        weights=plan.pretrained(),
        supernet=lambda w: plan.inherited(w.entry),
        winners=lambda w: plan.winners(w.entry),
        blocks=lambda w: plan.drawn_within(w.entry),
    output:
        **step("retrain_by_recipe").outputs,
    log:
        step("retrain_by_recipe").log,
    threads: processes("retrain_by_recipe", THREADS)
    resources:
        **together("retrain_by_recipe"),
    params:
        **step("retrain_by_recipe"),
    shell:
        RUN


rule gather_recipes:
    """Compare the trainings by all recipes, on which a verdict must not depend."""
    input:
        data=DATA("test"),
        trainings=every("retrain", "metrics"),
        others=every("retrain_by_recipe", "metrics"),
        predictions=every("retrain", "predictions")
        + every("retrain_by_recipe", "predictions"),
        opponents=rules.rank.output.opponents,
    output:
        **step("gather_recipes").outputs,
    log:
        step("gather_recipes").log,
    resources:
        **GATHERING,
    params:
        **step("gather_recipes"),
    shell:
        RUN
