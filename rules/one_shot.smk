# Where architectures are scored by shared weights: a supernet is trained for each search seed, and searched by one job a
# strategy.
rule supernet:
    input:
        data=plan.data("train"),
    output:
        weights=f"{R}/supernet/seed-{{seed}}/weights.safetensors",
        history=f"{R}/supernet/seed-{{seed}}/history.csv",
        cost=f"{R}/supernet/seed-{{seed}}/cost.json",
    log:
        f"{R}/logs/supernet/seed-{{seed}}.log",
    conda:
        ENVIRONMENT
    threads: THREADS * plan.supernet_processes
    resources:
        gpu=GPU * plan.supernet_processes,
        mem_mb=16000,
        runtime=1440,
    params:
        device=device,
        launcher=launcher(plan.supernet_processes),
        data=data_folder,
        folder=output_folder,
        settings=plan.settings("supernet"),
        code=plan.code("supernet"),
        versions=plan.versions("supernet"),
    shell:
        "{params.launcher} nas_steps.search supernet --settings {params.settings:q} --seed {wildcards.seed}"
        " --data {params.data:q} --device {params.device} --output {params.folder:q} > {log:q} 2>&1"


rule supernet_statistics:
    input:
        data=plan.data("train", "valid"),
        weights=plan.supernet("{seed}"),
    output:
        statistics=f"{R}/supernet/seed-{{seed}}/statistics.csv",
        summary=f"{R}/supernet/seed-{{seed}}/statistics.json",
        cost=f"{R}/supernet/seed-{{seed}}/statistics.cost.json",
    log:
        f"{R}/logs/supernet/seed-{{seed}}-statistics.log",
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
        settings=plan.settings("supernet_statistics"),
        code=plan.code("supernet_statistics"),
        versions=plan.versions("supernet_statistics"),
    shell:
        "python -m nas_steps.search supernet_statistics --settings {params.settings:q} --weights {input.weights:q}"
        " --data {params.data:q} --device {params.device} --output {output.statistics:q} --cost {output.cost:q}"
        " > {log:q} 2>&1"


rule one_shot:
    input:
        data=plan.data("train", "valid"),
        weights=lambda w: plan.supernet(w.seed),
        costs=plan.costs(),
    output:
        candidates=f"{R}/search/{{strategy}}-{{seed}}/candidates.csv",
        history=f"{R}/search/{{strategy}}-{{seed}}/history.csv",
        cost=f"{R}/search/{{strategy}}-{{seed}}/cost.json",
    log:
        f"{R}/logs/search/{{strategy}}-{{seed}}/one_shot.log",
    wildcard_constraints:
        strategy="|".join(plan.sampling),
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
        folder=output_folder,
        costs=option("costs"),
        settings=lambda w: plan.settings("one_shot", w.strategy),
        code=plan.code("one_shot"),
        versions=plan.versions("one_shot"),
    shell:
        "python -m nas_steps.search one_shot --settings {params.settings:q} --weights {input.weights:q}"
        " --strategy {wildcards.strategy} --seed {wildcards.seed} {params.costs} --data {params.data:q} --device {params.device}"
        " --output {params.folder:q} > {log:q} 2>&1"
