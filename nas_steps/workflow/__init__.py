"""What the Snakefile is filled in with: the plan, the manifest, the preview."""
