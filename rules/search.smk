# Sampling strategies go propose -> evaluate (scattered) -> propose ..., gradient strategies are one job.
rule measure_costs:
    input:
        data=plan.data(),
    output:
        costs=f"{R}/search/costs.csv",
        record=f"{R}/search/costs.json",
        cost=f"{R}/search/costs.cost.json",
    log:
        f"{R}/logs/search/costs.log",
    conda:
        ENVIRONMENT
    threads: plan.latency_threads
    resources:
        gpu=GPU if plan.measures_on_device else 0,
        mem_mb=4000,
        runtime=120,
    params:
        device=device,
        data=data_folder,
        settings=plan.settings("measure_costs"),
        code=plan.code("measure_costs"),
        versions=plan.versions("measure_costs"),
    shell:
        "python -m nas_steps.search measure_costs --settings {params.settings:q} --data {params.data:q}"
        " --device {params.device}"
        " --output {output.costs:q} --record {output.record:q} --cost {output.cost:q} > {log:q} 2>&1"


rule budget:
    input:
        costs=plan.costs(),
        data=plan.data(),
    output:
        budget=f"{R}/search/budget.json",
        cost=f"{R}/search/budget.cost.json",
    log:
        f"{R}/logs/search/budget.log",
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        costs=option("costs"),
        data=data_folder,
        settings=plan.settings("budget"),
        code=plan.code("budget"),
    shell:
        "python -m nas_steps.search budget --settings {params.settings:q} --data {params.data:q} {params.costs}"
        " --output {output.budget:q} --cost {output.cost:q} > {log:q} 2>&1"


rule propose:
    input:
        budget=lambda w: plan.budget(w.strategy),
        costs=plan.costs(),
        earlier=lambda w: plan.earlier(w.strategy, w.seed, int(w.number)),
        state=lambda w: plan.state(w.strategy, w.seed, int(w.number)),
        told=lambda w: plan.last(w.strategy, w.seed, int(w.number)),
    output:
        proposals=f"{R}/search/{{strategy}}-{{seed}}/round-{{number}}/proposals.csv",
        told=f"{R}/search/{{strategy}}-{{seed}}/round-{{number}}/told.csv",
        state=f"{R}/search/{{strategy}}-{{seed}}/round-{{number}}/state.safetensors",
    log:
        f"{R}/logs/search/{{strategy}}-{{seed}}/round-{{number}}-propose.log",
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        budget=option("budget"),
        costs=option("costs"),
        earlier=option("earlier"),
        state=option("state"),
        settings=lambda w: plan.settings("propose", w.strategy),
        code=plan.code("propose"),
    shell:
        "python -m nas_steps.search propose --settings {params.settings:q} --strategy {wildcards.strategy}"
        " --seed {wildcards.seed} {params.budget} {params.costs} {params.earlier} {params.state} --told {input.told:q}"
        " --output {output.proposals:q} --so-far {output.told:q} --output-state {output.state:q} > {log:q} 2>&1"


# Where a cheap score chooses what is evaluated: more is proposed, and this leaves the best.
rule screen:
    input:
        data=plan.data("train", "valid"),
        proposals=f"{R}/search/{{strategy}}-{{seed}}/round-{{number}}/proposals.csv",
    output:
        screened=f"{R}/search/{{strategy}}-{{seed}}/round-{{number}}/screened.csv",
        rejected=f"{R}/search/{{strategy}}-{{seed}}/round-{{number}}/rejected.csv",
        cost=f"{R}/search/{{strategy}}-{{seed}}/round-{{number}}/screen.cost.json",
    log:
        f"{R}/logs/search/{{strategy}}-{{seed}}/round-{{number}}-screen.log",
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
        settings=plan.settings("screen"),
        code=plan.code("screen"),
        versions=plan.versions("screen"),
    shell:
        "python -m nas_steps.estimation screen --settings {params.settings:q} --data {params.data:q} --device {params.device}"
        " --proposals {input.proposals:q} --seed {wildcards.seed} --output {output.screened:q}"
        " --rejected {output.rejected:q} --cost {output.cost:q} > {log:q} 2>&1"


rule evaluate:
    input:
        data=plan.data("train", "valid"),
        proposals=plan.proposals(f"{R}/search/{{strategy}}-{{seed}}/round-{{number}}"),
    output:
        estimates=f"{R}/search/{{strategy}}-{{seed}}/round-{{number}}/shard-{{shard}}.csv",
        cost=f"{R}/search/{{strategy}}-{{seed}}/round-{{number}}/shard-{{shard}}.cost.json",
    log:
        f"{R}/logs/search/{{strategy}}-{{seed}}/round-{{number}}-shard-{{shard}}.log",
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
        settings=plan.settings("evaluate"),
        estimator=plan.estimator,
        shards=len(plan.shards),
        code=plan.code("evaluate"),
        versions=plan.versions("evaluate"),
    shell:
        "python -m nas_steps.estimation {params.estimator} --stage search --settings {params.settings:q} --data {params.data:q} --device {params.device}"
        " --proposals {input.proposals:q} --seed {wildcards.seed} --shard {wildcards.shard}"
        " --shards {params.shards} --output {output.estimates:q} --cost {output.cost:q} > {log:q} 2>&1"


rule gather_search:
    input:
        # only the last of them is read; all are named, so that Snakemake walks from round to round, not down all at once
        rounds=lambda w: plan.told_files(w.strategy, w.seed),
        told=lambda w: plan.last(w.strategy, w.seed),
    output:
        candidates=f"{R}/search/{{strategy}}-{{seed}}/candidates.csv",
        history=f"{R}/search/{{strategy}}-{{seed}}/history.csv",
    log:
        f"{R}/logs/search/{{strategy}}-{{seed}}/gather.log",
    wildcard_constraints:
        strategy="|".join(plan.in_rounds) or "(?!)",
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        earlier=lambda w, input: shlex.quote(input.rounds[-1]),
        folder=output_folder,
        scores=plan.scores,
        rungs=plan.rungs,
        code=plan.code("gather_search"),
    shell:
        "python -m nas_steps.search gather --earlier {params.earlier} --told {input.told:q} --estimator {params.scores}"
        " --rungs {params.rungs} --output {params.folder:q} > {log:q} 2>&1"


rule darts:
    input:
        data=plan.data("train", "valid"),
    output:
        candidates=f"{R}/search/{{strategy}}-{{seed}}/candidates.csv",
        history=f"{R}/search/{{strategy}}-{{seed}}/history.csv",
        alphas=f"{R}/search/{{strategy}}-{{seed}}/alphas.json",
        cost=f"{R}/search/{{strategy}}-{{seed}}/cost.json",
    log:
        f"{R}/logs/search/{{strategy}}-{{seed}}/darts.log",
    wildcard_constraints:
        # a constraint that nothing meets where the config has no such strategy
        strategy="|".join(plan.gradient) or "(?!)",
    conda:
        ENVIRONMENT
    threads: lambda w: THREADS * plan.processes(w.strategy)
    resources:
        gpu=lambda w: GPU * plan.processes(w.strategy),
        mem_mb=16000,
        runtime=1440,
    params:
        device=device,
        launcher=lambda w: launcher(plan.processes(w.strategy)),
        data=data_folder,
        folder=output_folder,
        settings=lambda w: plan.settings("darts", w.strategy),
        code=plan.code("darts"),
        versions=plan.versions("darts"),
    shell:
        "{params.launcher} nas_steps.search darts --settings {params.settings:q} --strategy {wildcards.strategy}"
        " --seed {wildcards.seed} --data {params.data:q} --device {params.device}"
        " --output {params.folder:q} > {log:q} 2>&1"


rule enas:
    input:
        data=plan.data("train", "valid"),
    output:
        candidates=f"{R}/search/{{strategy}}-{{seed}}/candidates.csv",
        history=f"{R}/search/{{strategy}}-{{seed}}/history.csv",
        cost=f"{R}/search/{{strategy}}-{{seed}}/cost.json",
    log:
        f"{R}/logs/search/{{strategy}}-{{seed}}/enas.log",
    wildcard_constraints:
        # a constraint that nothing meets where the config has no such strategy
        strategy="|".join(plan.enas) or "(?!)",
    conda:
        ENVIRONMENT
    threads: THREADS
    resources:
        gpu=GPU,
        mem_mb=16000,
        runtime=1440,
    params:
        device=device,
        data=data_folder,
        folder=output_folder,
        settings=lambda w: plan.settings("enas", w.strategy),
        code=plan.code("enas"),
        versions=plan.versions("enas"),
    shell:
        "python -m nas_steps.search enas --settings {params.settings:q} --strategy {wildcards.strategy}"
        " --seed {wildcards.seed} --data {params.data:q} --device {params.device}"
        " --output {params.folder:q} > {log:q} 2>&1"
