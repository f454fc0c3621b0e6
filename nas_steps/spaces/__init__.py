"""Search spaces as plain data: sample, mutate, count, parse, print. Imports no torch."""
