"""Networks of language models."""
