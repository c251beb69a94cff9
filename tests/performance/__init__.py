"""Guards of performance that run in the suite, without measuring time.

`test_memory_bounds.py` checks that clients which stop reading cost a bounded amount of memory.
`test_benchmarks.py` checks how the benchmark computes and judges its figures; `make bench` measures
them.
"""
