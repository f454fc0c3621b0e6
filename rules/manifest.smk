rule manifest:
    """Write what there is in the end: every file with its hash and what it was made with."""
    input:
        plan.listed(),
    output:
        **step("manifest").outputs,
    log:
        step("manifest").log,
    resources:
        mem_mb=1000,
        runtime=60,
    params:
        folder=lambda w, output: str(Path(output[0]).parent),
        settings=plan.settings("manifest"),
        code=plan.code("manifest"),
    shell:
        "python -m nas_steps.manifest --write {params.folder:q} --settings {params.settings:q} > {log:q} 2>&1"
