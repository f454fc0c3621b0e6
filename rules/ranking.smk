# The best candidates of every search, trained anew and ranked.
rule shortlist:
    input:
        candidates=plan.candidates(),
    output:
        shortlist=f"{R}/ranking/shortlist.csv",
    log:
        f"{R}/logs/ranking/shortlist.log",
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        settings=plan.settings("shortlist"),
        code=plan.code("shortlist"),
    shell:
        "python -m nas_steps.ranking shortlist --settings {params.settings:q} --candidates {input.candidates:q}"
        " --output {output.shortlist:q} > {log:q} 2>&1"


rule train_shortlist:
    input:
        data=plan.data("train", "valid"),
        shortlist=f"{R}/ranking/shortlist.csv",
    output:
        estimates=f"{R}/ranking/seed-{{seed}}-shard-{{shard}}.csv",
        cost=f"{R}/ranking/seed-{{seed}}-shard-{{shard}}.cost.json",
    log:
        f"{R}/logs/ranking/seed-{{seed}}-shard-{{shard}}.log",
    conda:
        ENVIRONMENT
    threads: THREADS
    resources:
        gpu=GPU,
        mem_mb=8000,
        runtime=480,
    params:
        data=data_folder,
        settings=plan.settings("train_shortlist"),
        shards=len(plan.shards),
        code=plan.code("train_shortlist"),
        versions=plan.versions("train_shortlist"),
    shell:
        "python -m nas_steps.estimation short_training --stage ranking --settings {params.settings:q} --data {params.data:q} --threads {threads}"
        " --proposals {input.shortlist:q} --seed {wildcards.seed} --shard {wildcards.shard}"
        " --shards {params.shards} --output {output.estimates:q} --cost {output.cost:q} > {log:q} 2>&1"


rule rank:
    input:
        shortlist=f"{R}/ranking/shortlist.csv",
        trainings=plan.ranking_trainings(),
    output:
        ranked=f"{R}/ranking/ranked.csv",
        agreement=f"{R}/ranking/agreement.csv",
        winners=f"{R}/ranking/winners.csv",
    log:
        f"{R}/logs/ranking/rank.log",
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        folder=output_folder,
        code=plan.code("rank"),
    shell:
        "python -m nas_steps.ranking rank --shortlist {input.shortlist:q} --trainings {input.trainings:q}"
        " --output {params.folder:q} > {log:q} 2>&1"
