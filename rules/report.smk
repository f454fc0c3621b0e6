rule report:
    input:
        plan.reported(),
    output:
        report=plan.report,
        tables=plan.tables(),
    log:
        f"{R}/logs/report.log",
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        results=results_folder,
        settings=plan.settings["report"],
        code=plan.code(REPORT),
    shell:
        "python -m nas_steps.report --settings {params.settings:q} --results {params.results:q} > {log:q} 2>&1"
