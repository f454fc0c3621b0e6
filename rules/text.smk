# Named by its settings and the content of the text, so that experiments share what is prepared.
rule text:
    """Read a source of text, split it and store it as tokens."""
    output:
        multiext(
            f"{plan.data_folder}/",
            "train_tokens.npy",
            "train_documents.csv",
            "valid_tokens.npy",
            "valid_documents.csv",
            "test_tokens.npy",
            "test_documents.csv",
            *(["tokenizer.json"] if plan.config.data.tokens == "bpe" else []),
            "meta.json",
            "cost.json",
        ),
    log:
        f"{plan.data_folder}/data.log",
    # what is hashed for the cache between workflows is the shell text and the params: no experiment is in them
    cache: CACHE
    priority: 1
    resources:
        mem_mb=4000,
        runtime=240,
    params:
        # functions of the output, so that Snakemake does not watch them: the content of the text is in the settings
        folder=lambda w, output: str(Path(output[0]).parent),
        path=lambda w, output: plan.data_path,
        settings=plan.settings("text"),
        code=plan.code("text"),
    shell:
        "python -m nas_steps.data.text --settings {params.settings:q} {params.path} --output {params.folder:q} > {log:q} 2>&1"
