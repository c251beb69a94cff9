"""Run one parser under atheris, with libFuzzer's options: `-m tests.fuzzing.run path -runs=1000`.

The first argument is a name among the targets.
"""

import sys

import atheris

# Code is instrumented when it is imported.
with atheris.instrument_imports(include=["app"]):
    from tests.fuzzing.targets import TARGETS

if __name__ == "__main__":
    target = TARGETS[sys.argv.pop(1)]
    atheris.Setup(sys.argv, target)
    atheris.Fuzz()
