# Pretrained weights, if networks start from any: one file that all trainings read.
rule weights:
    """Prepare the pretrained weights that networks start from."""
    output:
        **step("weights").outputs,
    log:
        step("weights").log,
    priority: 1
    resources:
        **COUNTING,
    params:
        **step("weights"),
    shell:
        RUN
