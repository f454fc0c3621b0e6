# The first ranked architecture, scaled: a grid of triples, the best on valid, the members B0, B1, ...
rule describe_grid:
    input:
        data=plan.data(),
        ranked=f"{R}/ranking/ranked.csv",
    output:
        triples=f"{R}/scaling/triples.csv",
        cost=f"{R}/scaling/triples.cost.json",
    log:
        f"{R}/logs/scaling/describe.log",
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        data=data_folder,
        settings=plan.settings("describe_grid"),
        code=plan.code("describe_grid"),
    shell:
        "python -m nas_steps.scaling describe --settings {params.settings:q} --data {params.data:q}"
        " --ranked {input.ranked:q} --output {output.triples:q} --cost {output.cost:q} > {log:q} 2>&1"


rule train_grid:
    input:
        data=plan.data("train", "valid"),
        ranked=f"{R}/ranking/ranked.csv",
        triples=f"{R}/scaling/triples.csv",
    output:
        scores=f"{R}/scaling/grid-{{shard}}.csv",
        cost=f"{R}/scaling/grid-{{shard}}.cost.json",
    log:
        f"{R}/logs/scaling/grid-{{shard}}.log",
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
        settings=plan.settings("train_grid"),
        shards=len(plan.shards),
        code=plan.code("train_grid"),
        versions=plan.versions("train_grid"),
    shell:
        "python -m nas_steps.scaling grid --settings {params.settings:q} --data {params.data:q} --device {params.device}"
        " --ranked {input.ranked:q} --triples {input.triples:q} --shard {wildcards.shard}"
        " --shards {params.shards} --output {output.scores:q} --cost {output.cost:q} > {log:q} 2>&1"


rule choose_scaling:
    input:
        data=plan.data(),
        ranked=f"{R}/ranking/ranked.csv",
        triples=f"{R}/scaling/triples.csv",
        scores=plan.grid(),
    output:
        chosen=f"{R}/scaling/chosen.json",
        members=f"{R}/scaling/members.csv",
        cost=f"{R}/scaling/choose.cost.json",
    log:
        f"{R}/logs/scaling/choose.log",
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        data=data_folder,
        folder=output_folder,
        settings=plan.settings("choose_scaling"),
        code=plan.code("choose_scaling"),
    shell:
        "python -m nas_steps.scaling choose --settings {params.settings:q} --data {params.data:q}"
        " --ranked {input.ranked:q} --triples {input.triples:q} --scores {input.scores:q}"
        " --output {params.folder:q} --cost {output.cost:q} > {log:q} 2>&1"


rule train_member:
    input:
        data=plan.data("train", "valid", "test"),
        chosen=f"{R}/scaling/chosen.json",
        members=f"{R}/scaling/members.csv",
        # with a warm start, the next smaller member's training
        smaller=lambda w: plan.smaller(w.member, w.seed),
    output:
        metrics=f"{R}/scaling/B{{member}}-s{{seed}}/metrics.json",
        history=f"{R}/scaling/B{{member}}-s{{seed}}/history.csv",
        weights=f"{R}/scaling/B{{member}}-s{{seed}}/weights.safetensors",
        cost=f"{R}/scaling/B{{member}}-s{{seed}}/cost.json",
    log:
        f"{R}/logs/scaling/B{{member}}-s{{seed}}.log",
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
        warm=warm_start,
        settings=plan.settings("train_member"),
        code=plan.code("train_member"),
        versions=plan.versions("train_member"),
    shell:
        "{params.launcher} nas_steps.scaling train --settings {params.settings:q} --data {params.data:q} --device {params.device}"
        " --chosen {input.chosen:q} --members {input.members:q} --member B{wildcards.member}"
        " --seed {wildcards.seed} {params.warm} --output {params.folder:q} > {log:q} 2>&1"


rule gather_family:
    input:
        members=f"{R}/scaling/members.csv",
        trainings=plan.member_trainings(),
    output:
        family=f"{R}/scaling/family.csv",
    log:
        f"{R}/logs/scaling/gather.log",
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=plan.code("gather_family"),
    shell:
        "python -m nas_steps.scaling gather --members {input.members:q} --trainings {input.trainings:q}"
        " --output {output.family:q} > {log:q} 2>&1"


# Search against scaling: every base in every way of scaling at matched MACs, a job for each cell and seed.
rule describe_designs:
    input:
        data=plan.data(),
        chosen=f"{R}/scaling/chosen.json",
        costs=plan.costs(),
    output:
        designs=f"{R}/scaling/factorial/designs-s{{seed}}.csv",
        cost=f"{R}/scaling/factorial/designs-s{{seed}}.cost.json",
    log:
        f"{R}/logs/scaling/factorial/designs-s{{seed}}.log",
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        data=data_folder,
        costs=option("costs"),
        settings=plan.settings("describe_designs"),
        code=plan.code("describe_designs"),
    shell:
        "python -m nas_steps.scaling designs --settings {params.settings:q} --data {params.data:q}"
        " --chosen {input.chosen:q} {params.costs} --seed {wildcards.seed} --output {output.designs:q}"
        " --cost {output.cost:q} > {log:q} 2>&1"


rule train_design:
    input:
        data=plan.data("train", "valid", "test"),
        designs=f"{R}/scaling/factorial/designs-s{{seed}}.csv",
    output:
        metrics=f"{R}/scaling/factorial/{{base}}-{{way}}-s{{seed}}/metrics.json",
        history=f"{R}/scaling/factorial/{{base}}-{{way}}-s{{seed}}/history.csv",
        weights=f"{R}/scaling/factorial/{{base}}-{{way}}-s{{seed}}/weights.safetensors",
        cost=f"{R}/scaling/factorial/{{base}}-{{way}}-s{{seed}}/cost.json",
    log:
        f"{R}/logs/scaling/factorial/{{base}}-{{way}}-s{{seed}}.log",
    wildcard_constraints:
        base="[a-z_]+",
        way="[a-z]+",
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
        settings=plan.settings("train_design"),
        code=plan.code("train_design"),
        versions=plan.versions("train_design"),
    shell:
        "{params.launcher} nas_steps.scaling train_design --settings {params.settings:q} --data {params.data:q}"
        " --device {params.device} --designs {input.designs:q} --base {wildcards.base} --scaling {wildcards.way}"
        " --seed {wildcards.seed} --output {params.folder:q} > {log:q} 2>&1"


rule gather_factorial:
    input:
        designs=plan.designs(),
        trainings=plan.design_trainings(),
    output:
        factorial=f"{R}/scaling/factorial.csv",
        effects=f"{R}/scaling/effects.csv",
    log:
        f"{R}/logs/scaling/factorial/gather.log",
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        folder=output_folder,
        settings=plan.settings("gather_factorial"),
        code=plan.code("gather_factorial"),
    shell:
        "python -m nas_steps.scaling gather_factorial --settings {params.settings:q} --designs {input.designs:q}"
        " --trainings {input.trainings:q} --output {params.folder:q} > {log:q} 2>&1"
