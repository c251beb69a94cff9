"""Runs one reader under atheris: `python -m tests.fuzz path -runs=1000000`; options as libFuzzer's.

The first argument is a name among the targets.
"""

import sys

import atheris

# What follows branches has to be there before the code is.
with atheris.instrument_imports(include=["app"]):
    from tests.fuzz_targets import TARGETS

if __name__ == "__main__":
    target = TARGETS[sys.argv.pop(1)]
    atheris.Setup(sys.argv, target)
    atheris.Fuzz()
