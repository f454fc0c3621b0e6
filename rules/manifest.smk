# What there is in the end: every file with its hash and what it was made with.
rule manifest:
    input:
        plan.listed(),
    output:
        manifest=plan.manifest,
    log:
        f"{R}/logs/manifest.log",
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=60,
    params:
        folder=output_folder,
        settings=plan.manifest_settings(),
        code=plan.code("manifest"),
    shell:
        "python -m nas_steps.manifest --write {params.folder:q} --settings {params.settings:q} > {log:q} 2>&1"
