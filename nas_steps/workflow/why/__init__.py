"""Why jobs are stale."""
