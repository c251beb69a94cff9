"""Fuzzing of the parsers of untrusted input: paths, credentials, SIWE messages, JSON, OTLP.

`targets.py` lists a function for each parser, which raises only for a defect. `test_fuzz.py` feeds
them with hypothesis, and with atheris (`run.py`), which follows the branches of the code.
"""
