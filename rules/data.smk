# Named by its settings and the content of the user's images, so that experiments share what is prepared.
rule data:
    """Read a source of images, split it and store it as arrays."""
    output:
        multiext(
            f"{plan.data_folder}/",
            "train_images.npy",
            "train_labels.npy",
            "valid_images.npy",
            "valid_labels.npy",
            "test_images.npy",
            "test_labels.npy",
            "meta.json",
            "cost.json",
        ),
    log:
        f"{plan.data_folder}/data.log",
    # what is hashed for the cache between workflows is the shell text and the params: no experiment is in them
    cache: CACHE
    priority: 1
    # photos are decoded by all cores of the machine, or those of a cluster's job; the files are the same for any number
    threads: workflow.resource_settings.cores or 2
    resources:
        mem_mb=4000,
        runtime=240,
    params:
        # functions of the output, so that Snakemake does not watch them: the content of the images is in the settings
        folder=lambda w, output: str(Path(output[0]).parent),
        path=lambda w, output: plan.data_path,
        # a cache between workflows must know what is done with unreadable files
        tolerance=plan.tolerance_given if CACHE else "",
        settings=plan.settings("data"),
        code=plan.code("data"),
    shell:
        "python -m nas_steps.data --settings {params.settings:q} {params.path} --threads {threads} --output {params.folder:q} > {log:q} 2>&1"
