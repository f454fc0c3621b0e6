rule report:
    """Write the report of the experiment: one page, and its tables."""
    input:
        data=plan.images_reported(),
        results=plan.reported(),
    output:
        # marked for `snakemake --report`
        **attached.flagged(step("report").outputs),
    log:
        step("report").log,
    resources:
        **COUNTING,
    params:
        **step("report"),
    shell:
        RUN
