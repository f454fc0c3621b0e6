# ONNX files, checked against torch on test images.
rule export_entry:
    """Export one retrained entry: its training of best validation accuracy."""
    input:
        data=DATA("train", "valid", "test"),
        trainings=lambda w: plan.trainings(w.entry),
    output:
        **step("export_entry").outputs,
    log:
        step("export_entry").log,
    resources:
        **EXPORTING,
    params:
        **step("export_entry"),
    shell:
        RUN


rule export_scaled:
    """Export each member of the family that was trained."""
    input:
        data=DATA("train", "valid", "test"),
        trainings=every("train_member", "metrics"),
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
        checks=every("export_entry", "check") + every("export_scaled", "exports"),
        performances=every("export_entry", "performance")
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
