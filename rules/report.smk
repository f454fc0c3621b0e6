rule report:
    input:
        data=plan.reported_data(),
        results=plan.reported(),
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
        folder=results_folder,
        data=reported_data,
        settings=plan.settings("report"),
        code=plan.code("report"),
    shell:
        "python -m nas_steps.report --settings {params.settings:q} --results {params.folder:q}"
        " {params.data} > {log:q} 2>&1"
