# Winners and baselines by one recipe. These are the first rules that have the test files among their inputs.
rule retrain:
    input:
        data=plan.data("train", "valid", "test"),
        winners=lambda w: plan.winners(w.entry),
        costs=lambda w: plan.drawn_within(w.entry),
    output:
        metrics=f"{R}/retraining/{{entry}}-s{{seed}}/metrics.json",
        history=f"{R}/retraining/{{entry}}-s{{seed}}/history.csv",
        weights=f"{R}/retraining/{{entry}}-s{{seed}}/weights.safetensors",
        cost=f"{R}/retraining/{{entry}}-s{{seed}}/cost.json",
    log:
        f"{R}/logs/retraining/{{entry}}-s{{seed}}.log",
    conda:
        ENVIRONMENT
    threads: THREADS * plan.processes()
    resources:
        gpu=GPU * plan.processes(),
        mem_mb=8000,
        runtime=1440,
    params:
        device=device,
        launcher=launcher(plan.processes()),
        data=data_folder,
        folder=output_folder,
        settings=plan.settings("retrain"),
        kind=lambda w: plan.entries[w.entry],
        winners=option("winners"),
        costs=option("costs"),
        constraints=lambda w: plan.constraints(w.entry),
        code=plan.code("retrain"),
        versions=plan.versions("retrain"),
    shell:
        "{params.launcher} nas_steps.retraining train --settings {params.settings:q} --data {params.data:q} --device {params.device}"
        " --entry {wildcards.entry} --kind {params.kind} {params.winners} {params.costs} {params.constraints}"
        " --seed {wildcards.seed}"
        " --output {params.folder:q} > {log:q} 2>&1"


rule gather_retraining:
    input:
        trainings=plan.trainings(),
    output:
        retrained=f"{R}/retraining/retrained.csv",
        summary=f"{R}/retraining/summary.csv",
        comparisons=f"{R}/retraining/comparisons.csv",
        contests=f"{R}/retraining/contests.csv",
    log:
        f"{R}/logs/retraining/gather.log",
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        folder=output_folder,
        code=plan.code("gather_retraining"),
    shell:
        "python -m nas_steps.retraining gather --trainings {input.trainings:q}"
        " --output {params.folder:q} > {log:q} 2>&1"
