# ONNX files, checked against torch on test images.
rule export_networks:
    """Export the networks that recommended.json lists, each with a model card."""
    input:
        data=DATA("train", "valid", "test"),
        trainings=every("retrain", "metrics"),
        recommended=rules.recommend.output.recommended,
        source=plan.pretrained("facts"),
    output:
        **step("export_networks").outputs,
    log:
        step("export_networks").log,
    resources:
        **EXPORTING,
    params:
        **step("export_networks"),
    shell:
        RUN


rule export_scaled:
    """Export each member of the family that was trained."""
    input:
        data=DATA("train", "valid", "test"),
        trainings=every("train_member", "metrics"),
        source=plan.pretrained("facts"),
    output:
        **step("export_scaled").outputs,
    log:
        step("export_scaled").log,
    resources:
        **EXPORTING,
    params:
        **step("export_scaled"),
    shell:
        RUN


rule gather_exports:
    """Make tables of all exported files: what they are, and how fast."""
    input:
        exports=every("export_networks", "exports") + every("export_scaled", "exports"),
        performances=every("export_networks", "performance")
        + every("export_scaled", "performance"),
    output:
        **step("gather_exports").outputs,
    log:
        step("gather_exports").log,
    resources:
        **GATHERING,
    params:
        **step("gather_exports"),
    shell:
        RUN
