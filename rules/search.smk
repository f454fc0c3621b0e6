# Sampling strategies go propose -> evaluate (scattered) -> propose ..., gradient strategies are one job.
rule budget:
    input:
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
        data=data_folder,
        settings=plan.settings("budget"),
        code=plan.code("budget"),
    shell:
        "python -m nas_steps.search budget --settings {params.settings} --data {params.data}"
        " --output {output.budget} --cost {output.cost} > {log} 2>&1"


rule propose:
    input:
        budget=lambda w: plan.budget(w.strategy),
        told=lambda w: plan.told(w.strategy, w.seed, int(w.number)),
    output:
        proposals=f"{R}/search/{{strategy}}-{{seed}}/round-{{number}}/proposals.csv",
    log:
        f"{R}/logs/search/{{strategy}}-{{seed}}/round-{{number}}-propose.log",
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        budget=lambda w, input: f"--budget {input.budget}" if input.budget else "",
        settings=lambda w: plan.settings("propose", w.strategy),
        code=plan.code("propose"),
    shell:
        "python -m nas_steps.search propose --settings {params.settings} --strategy {wildcards.strategy}"
        " --seed {wildcards.seed} {params.budget} --told {input.told}"
        " --output {output.proposals} > {log} 2>&1"


rule evaluate:
    input:
        data=plan.data("train", "valid"),
        proposals=f"{R}/search/{{strategy}}-{{seed}}/round-{{number}}/proposals.csv",
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
        data=data_folder,
        settings=plan.settings("evaluate"),
        shards=len(plan.shards),
        code=plan.code("evaluate"),
        versions=plan.versions("evaluate"),
    shell:
        "python -m nas_steps.estimation --stage search --settings {params.settings} --data {params.data} --threads {threads}"
        " --proposals {input.proposals} --seed {wildcards.seed} --shard {wildcards.shard}"
        " --shards {params.shards} --output {output.estimates} --cost {output.cost} > {log} 2>&1"


rule gather_search:
    input:
        told=lambda w: plan.told(w.strategy, w.seed),
    output:
        candidates=f"{R}/search/{{strategy}}-{{seed}}/candidates.csv",
        history=f"{R}/search/{{strategy}}-{{seed}}/history.csv",
    log:
        f"{R}/logs/search/{{strategy}}-{{seed}}/gather.log",
    wildcard_constraints:
        strategy="|".join(plan.sampling),
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        folder=output_folder,
        code=plan.code("gather_search"),
    shell:
        "python -m nas_steps.search gather --told {input.told}"
        " --output {params.folder} > {log} 2>&1"


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
        launcher=lambda w: launcher(plan.processes(w.strategy)),
        data=data_folder,
        folder=output_folder,
        settings=lambda w: plan.settings("darts", w.strategy),
        code=plan.code("darts"),
        versions=plan.versions("darts"),
    shell:
        "{params.launcher} nas_steps.search darts --settings {params.settings} --strategy {wildcards.strategy}"
        " --seed {wildcards.seed} --data {params.data} --threads {threads}"
        " --output {params.folder} > {log} 2>&1"
