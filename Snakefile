# For who calls `snakemake` in a checkout. The workflow is workflow/Snakefile: a module of another workflow, or one that
# snakedeploy makes, finds its files from there in a git repository, too.
workflow.include("workflow/Snakefile", overwrite_default_target=True)
