"""Neural architecture search as a Snakemake workflow."""
