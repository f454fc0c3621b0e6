rule data:
    output:
        plan.data(*SPLITS),
        cost=f"{R}/data/cost.json",
    log:
        f"{R}/logs/data.log",
    conda:
        ENVIRONMENT
    resources:
        mem_mb=4000,
        runtime=240,
    params:
        folder=output_folder,
        settings=plan.settings["data"],
        content=plan.data_content,
        code=plan.code(DATA),
    shell:
        "python -m nas_steps.data --settings {params.settings:q} --output {params.folder:q} > {log:q} 2>&1"
