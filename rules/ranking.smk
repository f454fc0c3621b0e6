# The best candidates of every search, trained anew and ranked; beside them a uniform sample of the space, trained alike
# and scored as in the search, which tells how well the scores rank.
rule sample:
    input:
        costs=plan.costs(),
    output:
        sample=f"{R}/ranking/sample/proposals.csv",
    log:
        f"{R}/logs/ranking/sample.log",
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        costs=option("costs"),
        settings=plan.settings("sample"),
        code=plan.code("sample"),
    shell:
        "python -m nas_steps.ranking sample --settings {params.settings:q} {params.costs}"
        " --output {output.sample:q} > {log:q} 2>&1"


rule score_sample:
    input:
        data=plan.data("train", "valid"),
        sample=f"{R}/ranking/sample/proposals.csv",
    output:
        estimates=f"{R}/ranking/sample/score-{{shard}}.csv",
        cost=f"{R}/ranking/sample/score-{{shard}}.cost.json",
    log:
        f"{R}/logs/ranking/sample-score-{{shard}}.log",
    conda:
        ENVIRONMENT
    threads: THREADS
    resources:
        gpu=GPU,
        mem_mb=8000,
        runtime=480,
    params:
        device=device,
        data=data_folder,
        settings=plan.settings("score_sample"),
        estimator=plan.estimator,
        shards=len(plan.shards),
        code=plan.code("score_sample"),
        versions=plan.versions("score_sample"),
    shell:
        # by the numbers of search seed 0, so that what a search has scored is known
        "python -m nas_steps.estimation {params.estimator} --stage search --ledger ranking --settings {params.settings:q}"
        " --data {params.data:q} --device {params.device} --proposals {input.sample:q} --seed 0 --shard {wildcards.shard}"
        " --shards {params.shards} --output {output.estimates:q} --cost {output.cost:q} > {log:q} 2>&1"


if plan.one_shot:

    ruleorder: score_sample_by_supernet > score_sample

    rule score_sample_by_supernet:
        input:
            data=plan.data("train", "valid"),
            sample=f"{R}/ranking/sample/proposals.csv",
            weights=plan.supernet(0),
        output:
            scores=f"{R}/ranking/sample/score-0.csv",
            cost=f"{R}/ranking/sample/score-0.cost.json",
        log:
            f"{R}/logs/ranking/sample-score-0.log",
        conda:
            ENVIRONMENT
        threads: THREADS
        resources:
            gpu=GPU,
            mem_mb=8000,
            runtime=120,
        params:
            device=device,
            data=data_folder,
            settings=plan.settings("score_sample_by_supernet"),
            code=plan.code("score_sample_by_supernet"),
            versions=plan.versions("score_sample_by_supernet"),
        shell:
            "python -m nas_steps.search rank_paths --settings {params.settings:q} --weights {input.weights:q}"
            " --data {params.data:q} --device {params.device} --architectures {input.sample:q}"
            " --output {output.scores:q} --cost {output.cost:q} > {log:q} 2>&1"


use rule score_sample as screen_sample with:
    output:
        estimates=f"{R}/ranking/sample/screen-{{shard}}.csv",
        cost=f"{R}/ranking/sample/screen-{{shard}}.cost.json",
    log:
        f"{R}/logs/ranking/sample-screen-{{shard}}.log",
    params:
        data=data_folder,
        settings=plan.settings("screen_sample"),
        estimator="zero_cost",
        shards=len(plan.shards),
        code=plan.code("screen_sample"),
        versions=plan.versions("screen_sample"),


rule calibrate:
    input:
        sample=plan.sample(),
        trainings=plan.sample_trainings(),
        scores=plan.sample_scores(),
        candidates=plan.candidates(),
    output:
        calibration=f"{R}/ranking/calibration.json",
        sufficiency=f"{R}/ranking/sufficiency.csv",
    log:
        f"{R}/logs/ranking/calibrate.log",
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        folder=output_folder,
        settings=plan.settings("calibrate"),
        code=plan.code("calibrate"),
    shell:
        "python -m nas_steps.ranking calibrate --settings {params.settings:q} --sample {input.sample:q}"
        " --trainings {input.trainings:q} --scores {input.scores:q} --candidates {input.candidates:q}"
        " --output {params.folder:q} > {log:q} 2>&1"


rule shortlist:
    input:
        candidates=plan.candidates(),
        calibration=plan.calibration(),
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
        calibration=option("calibration"),
        settings=plan.settings("shortlist"),
        code=plan.code("shortlist"),
    shell:
        "python -m nas_steps.ranking shortlist --settings {params.settings:q} --candidates {input.candidates:q}"
        " {params.calibration} --output {output.shortlist:q} > {log:q} 2>&1"


rule train_shortlist:
    input:
        data=plan.data("train", "valid"),
        proposals=f"{R}/ranking/shortlist.csv",
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
        device=device,
        data=data_folder,
        settings=plan.settings("train_shortlist"),
        shards=len(plan.shards),
        code=plan.code("train_shortlist"),
        versions=plan.versions("train_shortlist"),
    shell:
        "python -m nas_steps.estimation short_training --stage ranking --settings {params.settings:q} --data {params.data:q} --device {params.device}"
        " --proposals {input.proposals:q} --seed {wildcards.seed} --shard {wildcards.shard}"
        " --shards {params.shards} --output {output.estimates:q} --cost {output.cost:q} > {log:q} 2>&1"


# What is in both is trained once: the second job finds it among the known estimates.
use rule train_shortlist as train_sample with:
    input:
        data=plan.data("train", "valid"),
        proposals=f"{R}/ranking/sample/proposals.csv",
    output:
        estimates=f"{R}/ranking/sample/seed-{{seed}}-shard-{{shard}}.csv",
        cost=f"{R}/ranking/sample/seed-{{seed}}-shard-{{shard}}.cost.json",
    log:
        f"{R}/logs/ranking/sample-seed-{{seed}}-shard-{{shard}}.log",


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


rule compare:
    input:
        shortlist=f"{R}/ranking/shortlist.csv",
        trainings=plan.ranking_trainings() + plan.sample_trainings(),
        sample=plan.sample(),
        scores=plan.sample_scores(),
        screening=plan.sample_screening(),
    output:
        estimators=f"{R}/ranking/estimators.csv",
        pool=f"{R}/ranking/pool.csv",
    log:
        f"{R}/logs/ranking/compare.log",
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        folder=output_folder,
        settings=plan.settings("compare"),
        sample=option("sample"),
        scores=option("scores"),
        screening=option("screening"),
        code=plan.code("compare"),
    shell:
        "python -m nas_steps.ranking compare --settings {params.settings:q} --shortlist {input.shortlist:q}"
        " --trainings {input.trainings:q} {params.sample} {params.scores} {params.screening}"
        " --output {params.folder:q} > {log:q} 2>&1"
