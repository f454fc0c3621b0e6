# ONNX files, checked against torch on test images.
rule export_entry:
    input:
        data=plan.data("train", "valid", "test"),
        trainings=lambda w: plan.trainings(w.entry),
    output:
        model=f"{R}/export/{{entry}}/model.onnx",
        # and model_int8.onnx, where the check accepts it: check.json names it and its hash
        check=f"{R}/export/{{entry}}/check.json",
        performance=f"{R}/export/{{entry}}/performance.json",
        cost=f"{R}/export/{{entry}}/cost.json",
    log:
        f"{R}/logs/export/{{entry}}.log",
    conda:
        ENVIRONMENT
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        data=data_folder,
        folder=output_folder,
        settings=plan.settings("export_entry"),
        code=plan.code("export_entry"),
        versions=plan.versions("export_entry"),
    shell:
        "python -m nas_steps.export entry --settings {params.settings:q} --data {params.data:q}"
        " --trainings {input.trainings:q} --output {params.folder:q} > {log:q} 2>&1"


rule export_scaled:
    input:
        data=plan.data("train", "valid", "test"),
        trainings=plan.member_trainings(),
    output:
        # which members are trained is known only when they are counted: the list names their files and hashes
        exports=f"{R}/export/scaled/exports.json",
        performance=f"{R}/export/scaled/performance.json",
        cost=f"{R}/export/scaled/cost.json",
    log:
        f"{R}/logs/export/scaled.log",
    conda:
        ENVIRONMENT
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        data=data_folder,
        folder=output_folder,
        settings=plan.settings("export_scaled"),
        code=plan.code("export_scaled"),
        versions=plan.versions("export_scaled"),
    shell:
        "python -m nas_steps.export scaled --settings {params.settings:q} --data {params.data:q}"
        " --trainings {input.trainings:q} --output {params.folder:q} > {log:q} 2>&1"


rule gather_exports:
    input:
        checks=plan.checks(),
        performances=plan.performances(),
    output:
        exports=f"{R}/export/exports.csv",
        performance=f"{R}/export/performance.csv",
    log:
        f"{R}/logs/export/gather.log",
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=plan.code("gather_exports"),
    shell:
        "python -m nas_steps.export gather --checks {input.checks:q} --performances {input.performances:q}"
        " --output {output.exports:q} --performance {output.performance:q} > {log:q} 2>&1"
