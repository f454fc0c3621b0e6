# Where an evaluation is a look into a benchmark's table: a search is one job, and so is all that follows it.
rule replay:
    output:
        candidates=f"{R}/search/{{strategy}}-{{seed}}/candidates.csv",
        history=f"{R}/search/{{strategy}}-{{seed}}/history.csv",
        cost=f"{R}/search/{{strategy}}-{{seed}}/cost.json",
    log:
        f"{R}/logs/search/{{strategy}}-{{seed}}/replay.log",
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        table=table_path,
        folder=output_folder,
        settings=lambda w: plan.settings("replay", w.strategy),
        code=plan.code("replay"),
        versions=plan.versions("replay"),
    shell:
        "python -m nas_steps.search replay --settings {params.settings:q} --table={params.table:q}"
        " --strategy {wildcards.strategy} --seed {wildcards.seed} --output {params.folder:q} > {log:q} 2>&1"


rule rank_in_table:
    input:
        candidates=plan.candidates(),
    output:
        budget=plan.budgeted,
        winners=f"{R}/ranking/winners.csv",
        agreement=f"{R}/ranking/agreement.csv",
    log:
        f"{R}/logs/ranking/in_table.log",
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        table=table_path,
        folder=lambda w, output: str(Path(output.winners).parent),
        settings=plan.settings("rank_in_table"),
        code=plan.code("rank_in_table"),
    shell:
        "python -m nas_steps.ranking in_table --settings {params.settings:q} --table={params.table:q}"
        " --candidates {input.candidates:q} --output {params.folder:q} --budget {output.budget:q} > {log:q} 2>&1"


rule lookup:
    input:
        winners=f"{R}/ranking/winners.csv",
    output:
        retrained=f"{R}/retraining/retrained.csv",
        summary=f"{R}/retraining/summary.csv",
        comparisons=f"{R}/retraining/comparisons.csv",
        contests=f"{R}/retraining/contests.csv",
    log:
        f"{R}/logs/retraining/lookup.log",
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        table=table_path,
        folder=output_folder,
        settings=plan.settings("lookup"),
        code=plan.code("lookup"),
    shell:
        "python -m nas_steps.retraining lookup --settings {params.settings:q} --table={params.table:q}"
        " --winners {input.winners:q} --output {params.folder:q} > {log:q} 2>&1"
