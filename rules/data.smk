rule data:
    output:
        plan.data(*SPLITS),
        cost=f"{R}/data/cost.json",
    log:
        f"{R}/logs/data.log",
    resources:
        mem_mb=4000,
        runtime=240,
    params:
        settings=plan.settings["data"],
        content=plan.data_content,
        code=plan.code(DATA),
    shell:
        "python -m nas_steps.data --settings {params.settings} --output {R}/data > {log} 2>&1"
