"""One-shot search: a supernet whose weights all architectures of a space share, trained once and then searched."""
