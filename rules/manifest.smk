rule manifest:
    """Write what there is in the end: every file with its hash and what it was made with."""
    input:
        # a function: jobs of a cluster, which read the workflow too, do not list all files
        lambda w: plan.listed(),
    output:
        **step("manifest").outputs,
    log:
        step("manifest").log,
    resources:
        mem_mb=1000,
        runtime=60,
    params:
        folder=lambda w, output: str(Path(output[0]).parent),
        settings=lambda w: plan.settings("manifest"),
        code=plan.code("manifest"),
    shell:
        "python -m nas_steps.manifest --write {params.folder:q} --settings {params.settings:q} > {log:q} 2>&1"
