"""manifest.json: what an experiment left, file by file, and whether it is still what it was."""
