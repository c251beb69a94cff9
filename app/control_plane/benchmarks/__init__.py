"""Benchmarks: committed test sets, predictions on them, and whether an improvement is accepted."""
